"""From scores to weights on the simplex, and from advantages to advantages of unit deviation."""

import torch
from torch import Tensor


def is_row(values: object, length: int) -> bool:
    """Whether these are real numbers in a tensor ``[length]``."""
    return isinstance(values, Tensor) and values.shape == (length,) and not values.is_complex()


def normalised(log_scores: Tensor, varies: Tensor) -> Tensor:
    """Weights in proportion to exp(log_scores), ``[K]`` float64, summing to 1.

    An objective that tells no completions apart in the batch moves nothing, whatever its weight. Its share would only
    make the update smaller under an estimator that does not standardise, so it gets none, unless no objective varies.
    A score of +inf takes all the weight, together with its equals; one of −inf or NaN gets none.
    """
    scores, varies = torch.where(torch.isnan(log_scores), -torch.inf, log_scores.double()), varies.to(log_scores.device)
    if varies.any():
        scores = torch.where(varies, scores, -torch.inf)
    largest = scores.max()
    if torch.isinf(largest):  # some are infinitely ahead, or none of those that vary has a score
        alike = (scores == largest).double() * (varies.double() if varies.any() else 1.0)
        return alike / alike.sum()
    return torch.softmax(scores, dim=0)


def whiten(values: Tensor) -> Tensor:
    """Less their mean, over their standard deviation, ``[N]`` float64; 0 where all are equal."""
    centred = values.double() - values.double().mean()
    deviation = centred.std() if len(values) > 1 else torch.zeros(())
    return centred / (deviation + 1e-8)
