"""Token-level KL divergence between two policies, exact at every token of given completions.

This follows the study of single-objective policies in Lu et al., "Learning to Optimize Multi-Objective Alignment
Through Dynamic Reward Weighting" (https://arxiv.org/abs/2509.11452). The sum runs over the whole vocabulary at each
token; the usual log-ratio of the sampled token estimates the same number with more variance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FORWARD_ELEMENTS = 2**26
"""Logits of one policy in one forward pass, a single completion's at least: 256 MB in float32."""

KL_ELEMENTS = 2**24
"""Logits of each policy that are made probabilities at once, a single token's at least."""


class Sample(NamedTuple):
    """A prompt and a completion, as token numbers; a completion that ended includes its end token."""

    prompt: list[int]
    completion: list[int]


@dataclass(frozen=True)
class BothWays:
    """KL in nats per token: each way and their mean, with standard errors over prompts (NaN for a single prompt)."""

    a_b: float
    b_a: float
    mean: float
    a_b_error: float
    b_a_error: float
    mean_error: float


def token_kl(logits: Tensor, other: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(p‖q) = Σ_v p_v (log p_v − log q_v) of next-token distributions p = softmax(logits / temperature), q alike.

    Args:
        logits: ``[..., V]`` of p; −∞ for a token that cannot be.
        other: ``[..., V]`` of q.
        temperature: above 0.

    Returns:
        ``[...]`` in nats, at least 0, exactly 0 where both are the same; infinite where p allows what q does not.
        In float32, or float64 where the logits are.
    """
    precision = torch.promote_types(logits.dtype, torch.float32)
    log_p = (logits.to(precision) / temperature).log_softmax(-1)
    log_q = (other.to(precision) / temperature).log_softmax(-1)
    p = log_p.exp()
    terms = torch.where(p > 0, p * (log_p - log_q), 0)
    return terms.sum(-1).clamp_min(0)  # rounding can take a sum of nearly equal terms below 0


@torch.inference_mode()
def completion_kl(
    policy: Any, other: Any, samples: Sequence[Sample], *, temperature: float = 1.0, batch_size: int = 8
) -> NDArray[np.float64]:
    """KL of `policy` from `other`, summed over each completion's tokens.

    Args:
        policy: a causal language model of transformers, in evaluation mode.
        other: another with the same vocabulary, on the same device.
        samples: N samples, of any lengths, prompts of at least one token.
        temperature: of both policies, above 0.
        batch_size: samples in one forward pass at most; fewer where their logits would not fit into memory.

    Returns:
        ``[N]`` in nats.
    """
    width = policy.config.get_text_config().vocab_size
    longest = max((len(s.prompt) + len(s.completion) for s in samples), default=1)
    rows = max(1, min(batch_size, FORWARD_ELEMENTS // (longest * width)))
    sums = np.zeros(len(samples))
    # Samples of similar length pass together, so that little of a pass is padding.
    order = sorted(range(len(samples)), key=lambda i: len(samples[i].prompt) + len(samples[i].completion))
    for begin in range(0, len(samples), rows):
        chosen = order[begin : begin + rows]
        batch = [samples[i] for i in chosen]
        first = min(len(s.prompt) for s in batch) - 1
        logits, others = (_logits(model, batch, first) for model in (policy, other))
        for row, i in enumerate(chosen):
            start = len(samples[i].prompt) - 1 - first  # a prompt's last token predicts the first of the completion
            span = slice(start, start + len(samples[i].completion))
            sums[i] = _summed(logits[row, span], others[row, span], temperature)
    return sums


def both_ways(
    sums_a: NDArray[np.float64],
    lengths_a: Sequence[int],
    sums_b: NDArray[np.float64],
    lengths_b: Sequence[int],
) -> BothWays:
    """KL per token, KL(a‖b) on the samples of a and KL(b‖a) on those of b, and ½ [KL(a‖b) + KL(b‖a)].

    Every token weighs the same. The standard errors are those of the ratio estimator Σ sums / Σ lengths over prompts,
    since tokens of one completion are not independent; that of the mean respects that both ways share the prompts.

    Args:
        sums_a: ``[N]``, KL(a‖b) summed over the completion that a gave to each prompt.
        lengths_a: ``[N]``, the tokens of these completions.
        sums_b: ``[N]``, KL(b‖a) summed over the completions of b, for the same prompts.
        lengths_b: ``[N]``, the tokens of those.
    """
    a_b, spread_a = _per_token(sums_a, np.asarray(lengths_a, dtype=np.float64))
    b_a, spread_b = _per_token(sums_b, np.asarray(lengths_b, dtype=np.float64))
    mean = (a_b + b_a) / 2
    return BothWays(a_b, b_a, mean, _error(spread_a), _error(spread_b), _error((spread_a + spread_b) / 2))


def _per_token(sums: NDArray[np.float64], lengths: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Σ sums / Σ lengths, and what each prompt adds to its deviation to first order."""
    ratio = sums.sum() / lengths.sum()
    return float(ratio), (sums - ratio * lengths) / lengths.mean()


def _error(spread: NDArray[np.float64]) -> float:
    count = len(spread)
    return sqrt(float(spread @ spread) / (count * (count - 1))) if count > 1 else float("nan")


def _logits(model: Any, batch: Sequence[Sample], first: int) -> Tensor:
    """``[B, T − first, V]`` logits at the positions from `first` on.

    Padding stands on the right, where no token before it can see it, whatever kind of positions the model has.
    """
    rows = [torch.tensor([*s.prompt, *s.completion]) for s in batch]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    output = model(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        logits_to_keep=ids.shape[1] - first,
        use_cache=False,
    )
    logits: Tensor = output.logits
    return logits


def _summed(logits: Tensor, other: Tensor, temperature: float) -> float:
    """Sum over one completion's tokens ``[T, V]``, a few at a time."""
    tokens = max(1, KL_ELEMENTS // logits.shape[-1])
    pieces = zip(logits.split(tokens), other.split(tokens), strict=True)
    return sum(token_kl(p, q, temperature).cpu().double().sum().item() for p, q in pieces)
