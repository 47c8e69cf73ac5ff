"""What an estimator is given, and what it returns."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor


@dataclass(frozen=True)
class Influence:
    """Influence of K objectives on one batch.

    Args:
        values: ``[K]`` float64, I_k = ⟨g_k, Σ_j g_j⟩ in the units of a squared gradient norm (Algorithm 2 of Lu et
            al., arXiv 2509.11452).
        gramian: ``[K, K]`` float64, ⟨g_i, g_j⟩, or None where an estimator does not yield it.
    """

    values: Tensor
    gramian: Tensor | None = None


class PolicyLoss(Protocol):
    """A policy-gradient loss as a function of the token log-probabilities.

    With g_k = ∇_θ J_k = Σ_{n,t} c_k[n,t] ∇_θ log π(y_{n,t}), all that an estimator needs of the loss is c_k, and all it
    needs of the model is log π.
    """

    @property
    def micro_batches(self) -> Iterable[Any]:
        """The part of the batch that this process holds, in the pieces in which it is trained on."""
        ...

    def log_probs(self, micro_batch: Any) -> Tensor:
        """Log-probabilities ``[B, T]`` of the completion tokens, with their graph."""
        ...

    def coefficients(self, micro_batch: Any) -> Tensor:
        """``[K, B, T]``: c_k = −∂L/∂log π at the last :meth:`log_probs`, scaled to the mean loss of the batch."""
        ...

    def mean_over_processes(self, gradient: Tensor) -> Tensor:
        """The gradient averaged over data-parallel processes."""
        ...
