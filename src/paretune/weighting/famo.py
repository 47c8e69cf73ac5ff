"""FAMO: all objectives come nearer to their best at one relative rate."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from paretune.weighting.base import Batch, InfluenceRequest, Measurements, Scalarization, check_not_negative
from paretune.weighting.gains import SmoothedGains
from paretune.weighting.priorities import Priorities, Prioritised
from paretune.weighting.saved_state import saved_numbers
from paretune.weighting.simplex import normalised

OFFSET = 1e-3
"""Added to each headroom, so that an objective at its best bound has a finite weight."""
FIRST_DECAY, SECOND_DECAY, EPSILON = 0.9, 0.999, 1e-8
"""Adam's own settings."""
_LARGEST = 1e100
"""No progress counts as larger, so that its square is finite."""


class FAMO(Prioritised):
    r"""Weights that even out how fast each objective comes nearer to its best, by what the last update really did.

    L_k = 1 − G_k + 0.001 is the headroom, G_k ∈ [0, 1] the gain. FAMO lowers Σ_k z_k log L_k, whose gradient weighs
    objective k by z_k/L_k, and it moves z = softmax(ξ) toward what falls least. In each batch

        δ_k = s_k ⟨g_k, Δθ⟩ / L_k                 the share of its headroom that the last update took from objective k,
        ξ   ← Adam step of length `rate` down z ⊙ (δ − ⟨z, δ⟩) + λ ξ,
        w_k ∝ v_k z_k / L_k.

    ⟨g_k, Δθ⟩ is the realised influence, in units of advantages; s_k = Σ_n A_nk q_nk / Σ_n A_nk² turns it into units of
    the gain, with q_nk the gain of completion n less the batch's mean. L_k and s_k are those of the batch that the
    update was made on.

    Source: "FAMO: Fast Adaptive Multitask Optimization" (https://arxiv.org/abs/2306.03792), checked against TorchJD.
    Headrooms instead of losses and the realised influence instead of losses that are computed again are ours. Signal:
    gains and the realised influence. Cost: one forward pass a batch.

    Limits: an objective that is ahead gets less weight through z_k but more through 1/L_k. The rule is the opposite of
    Algorithm 2, which feeds whatever moves most. Adam makes every step about `rate` long, so under noise ξ makes a
    random walk that only λ holds back.

    Args:
        priorities: v, one for each objective, by name or in order; None: all equal.
        rate: length of a step of ξ, 0 or more.
        decay: λ ≥ 0, which pulls ξ back to 0.
        smoothing: the share of the old mean gain in the new one, in [0, 1).

    Raises:
        ValueError: for a value outside its range.

    Example: gains of 0.501 and 0.001 leave headrooms of 0.5 and 1, and with z equal the weights are 2/3 and 1/3. If
    the update then takes more from the first, Adam's first step gives ξ = (−0.025, 0.025), so z = (0.4875, 0.5125) and
    the weights are 0.655 and 0.345.
    """

    name: ClassVar[str] = "famo"
    description: ClassVar[str] = "evens out relative progress, by what updates did (FAMO)"
    paper: ClassVar[str] = "FAMO: Fast Adaptive Multitask Optimization, arXiv 2306.03792"

    def __init__(
        self, priorities: Priorities = None, *, rate: float = 0.025, decay: float = 1e-3, smoothing: float = 0.6
    ) -> None:
        super().__init__(priorities)
        check_not_negative(rate=rate, decay=decay)
        self.rate = rate
        self.decay = decay
        self._gains = SmoothedGains(smoothing)
        self._logits: Tensor | None = None  # ξ
        self._moments: list[Tensor] = []  # Adam's first and second, and for each objective its number of steps
        self._last: list[Tensor] = []  # headrooms and units s of the last batch

    def measurements(self) -> Measurements:
        """What the last update did, and the metrics of the batch's own rollouts."""
        return Measurements(influence=InfluenceRequest(method="realised"), evaluation="rollouts")

    def update(self, batch: Batch) -> Scalarization:
        """Learn from the last update, then weigh by this batch's headrooms; what does not apply keeps its ξ."""
        count = len(batch.names)
        if self._logits is None:
            self._logits = torch.zeros(count, dtype=torch.float64)
            self._moments = [torch.zeros_like(self._logits) for _ in range(3)]
        progress = torch.full((count,), torch.nan, dtype=torch.float64)
        if batch.influence is not None and batch.influence_method == "realised" and self._last:
            headroom, unit = self._last
            progress = unit * batch.influence.detach().cpu().double() / headroom
            self._learn(progress.clamp(-_LARGEST, _LARGEST))
        gains = self._gains.add(batch.gains)
        # An objective of which nothing is known yet counts like the others' mean.
        headroom = 1 - torch.where(torch.isnan(gains), gains.nanmean().nan_to_num(0.5), gains) + OFFSET
        self._last = [headroom, _gain_of_an_advantage(batch)]
        scores = self.shares(batch).log() + self._logits.log_softmax(dim=0) - headroom.log()
        weights = normalised(scores, batch.varies)
        return Scalarization(weights, signals={"gain": gains, "progress": progress, "logit": self._logits})

    def _learn(self, progress: Tensor) -> None:
        """One step of Adam on ξ, for the objectives whose progress is known."""
        assert self._logits is not None
        known = torch.isfinite(progress)
        first, second, steps = (moment.clone() for moment in self._moments)
        shares = torch.softmax(self._logits[known], dim=0)
        ahead = progress[known] - shares @ progress[known]
        gradient = shares * ahead + self.decay * self._logits[known]
        steps[known] += 1
        first[known] = FIRST_DECAY * first[known] + (1 - FIRST_DECAY) * gradient
        second[known] = SECOND_DECAY * second[known] + (1 - SECOND_DECAY) * gradient.square()
        mean = first[known] / (1 - FIRST_DECAY ** steps[known])
        size = (second[known] / (1 - SECOND_DECAY ** steps[known])).sqrt()
        self._logits = self._logits.masked_scatter(known, self._logits[known] - self.rate * mean / (size + EPSILON))
        self._moments = [first, second, steps]

    def state_dict(self) -> dict[str, Any]:
        """Mean gains, ξ, Adam's moments, and the last batch's headrooms and units."""
        return {
            "gains": self._gains.state_dict(),
            "logits": None if self._logits is None else self._logits.tolist(),
            "moments": [moment.tolist() for moment in self._moments],
            "last": [values.tolist() for values in self._last],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave."""
        self._gains.load_state_dict(state["gains"])
        self._logits = None if state["logits"] is None else saved_numbers("logits", state["logits"])
        count = None if self._logits is None else len(self._logits)
        self._moments = [saved_numbers("moments", moment, count) for moment in state["moments"]]
        self._last = [saved_numbers("last", values, count) for values in state["last"]]


def _gain_of_an_advantage(batch: Batch) -> Tensor:
    """S ``[K]``, by how much the gain grows with the advantage over the batch; 0 where no advantage differs from 0."""
    gains = batch.completion_gains
    apart = (gains - gains.nanmean(dim=0)).nan_to_num(0.0)
    advantages = batch.advantages.detach().cpu().double().nan_to_num(0.0, 0.0, 0.0)
    return ((advantages * apart).sum(dim=0) / advantages.square().sum(dim=0)).nan_to_num(0.0, 0.0, 0.0)
