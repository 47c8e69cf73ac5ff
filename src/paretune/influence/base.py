"""What an estimator is given, and what it returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from torch import Tensor


@dataclass(frozen=True)
class Influence:
    """Influence of K objectives on one batch.

    Args:
        values: ``[K]`` float64: I_k = ⟨g_k, Σ_j g_j⟩ in the units of a squared gradient norm (Algorithm 2 of Lu et al.,
            arXiv 2509.11452), or, by an estimator of what the update did, ⟨g_k, Δθ⟩, by how much the optimiser's step
            changed J_k.
        method: the name of the estimator it comes from.
        gramian: ``[K, K]`` float64, ⟨g_i, g_j⟩, or None where the estimator does not yield it.
        difference: how the directional derivative was taken.
        check: for ``"directional"``, an estimate of how far the vector is off, relative to its length. It is made of
            |Σ_k I_k − ‖v‖²| with v = Σ_j g_j, which sees the sum alone, and of what rounding and curvature can leave
            in each component.
        noise: ``[K, K]`` float64, by how much the batch's ordinary Gramian exceeds `gramian` where that was taken
            across halves of the prompts: the noise's own products. None elsewhere.
    """

    values: Tensor
    method: str
    gramian: Tensor | None = None
    difference: Literal["one-sided", "symmetric"] | None = None
    check: float | None = None
    noise: Tensor | None = None


class LogProbs(NamedTuple):
    """What one forward pass says of the completion tokens of a micro-batch."""

    values: Tensor
    """``[B, T]`` log-probabilities."""
    entropies: Tensor | None
    """``[B, T]``, for losses that choose tokens by entropy."""


class PolicyLoss(Protocol):
    """A policy-gradient loss as a function of the token log-probabilities, on this process's part of a batch.

    With g_k = ∇_θ J_k = Σ_{n,t} c_k[n,t] ∇_θ log π(y_{n,t}), all that an estimator needs of the loss is c_k, and all it
    needs of the model is log π.
    """

    @property
    def micro_batches(self) -> Sequence[Any]:
        """The part of the batch that this process holds, in the pieces in which it is trained on."""
        ...

    @property
    def num_processes(self) -> int:
        """Processes over which the batch is spread."""
        ...

    @property
    def low_precision(self) -> bool:
        """Whether the forward pass runs under autocast, so that small differences drown in its rounding."""
        ...

    @property
    def whole_backward(self) -> bool:
        """Whether a backward pass must reach all parameters (sharded ones, reentrant checkpointing)."""
        ...

    def forward(self, micro_batch: Any, *, full_precision: bool = False, rows: Tensor | None = None) -> LogProbs:
        """The policy's forward pass, with its graph where gradients are enabled.

        Every pass over one micro-batch draws the same random numbers, so that dropout is one function in all of them.

        Args:
            micro_batch: one of :attr:`micro_batches`.
            full_precision: leave autocast out.
            rows: ``[b]``, those that the pass goes over; None for all B.
        """
        ...

    def halves(self, micro_batch: Any) -> Tensor:
        """``[B]``, 0 or 1: to which half of the batch's prompts each row belongs."""
        ...

    def coefficients(self, micro_batch: Any, at: LogProbs) -> Tensor:
        """``[K, B, T]``: c_k = −∂L/∂log π at those log-probabilities, scaled to the mean loss of the batch."""
        ...

    def mean(self, figures: Tensor) -> Tensor:
        """Figures averaged over processes, the same bits on each."""
        ...

    def mean_gradient(self, gradient: Tensor) -> Tensor:
        """A gradient averaged over data-parallel processes; a sharded one is so already."""
        ...

    def parameters_changed(self) -> None:
        """To be called after parameters were changed in place: lets go of what was gathered of the old ones."""
        ...
