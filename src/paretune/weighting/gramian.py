"""The gradient balancing methods of multi-task learning, through TorchJD."""

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from paretune.weighting.base import Batch, check_positive
from paretune.weighting.gramian_solution import GramianSolution
from paretune.weighting.priorities import Priorities
from paretune.weighting.quadratic import shortest

Solve = Callable[[Any, Tensor, Tensor, float], Tensor]
"""``torchjd.aggregation``, the Gramian ``[L, L]``, priorities ``[L]`` and the method's parameter -> weights ``[L]``."""


class Method(NamedTuple):
    """How a method finds its weights, its parameter's default (None: it has none), and whether it takes priorities."""

    solve: Solve
    parameter: float | None = None
    prioritised: bool = False


def _gapo(gramian: Tensor, power: float) -> Tensor:
    scales = gramian.diagonal() ** (-power / 2)
    return scales * shortest(gramian * scales[:, None] * scales[None, :])


def _projector() -> Any:
    # By default TorchJD adds 1e-4 of the trace to the diagonal. Gradients that are short beside the others vanish
    # under that, and the solution opposes them.
    return import_module("torchjd.linalg").QuadprogProjector(norm_eps=0.0, reg_eps=1e-12)


METHODS: dict[str, Method] = {
    "mgda": Method(lambda torchjd, m, v, p: shortest(m)),
    "upgrad": Method(lambda torchjd, m, v, p: torchjd.UPGradWeighting(v, _projector())(m), prioritised=True),
    "dualproj": Method(lambda torchjd, m, v, p: torchjd.DualProjWeighting(v, _projector())(m), prioritised=True),
    "nash-mtl": Method(lambda torchjd, m, v, p: torchjd.FairGradWeighting(1.0)(m)),
    "fairgrad": Method(lambda torchjd, m, v, p: torchjd.FairGradWeighting(p)(m), parameter=2.0),
    "aligned-mtl": Method(lambda torchjd, m, v, p: torchjd.AlignedMTLWeighting(v)(m), prioritised=True),
    "imtl-g": Method(lambda torchjd, m, v, p: torchjd.IMTLGWeighting()(m)),
    "cagrad": Method(lambda torchjd, m, v, p: torchjd.CAGradWeighting(p)(m), parameter=0.4),
    "pcgrad": Method(lambda torchjd, m, v, p: torchjd.PCGradWeighting()(m)),
    "gapo": Method(lambda torchjd, m, v, p: _gapo(m, p), parameter=1.0),
}


if TYPE_CHECKING:
    MethodName = str
else:
    MethodName = Literal[tuple(METHODS)]  # the command line reads the choices off the type


class GramianRule(GramianSolution):
    r"""Weights that a method of multi-task learning finds on the Gramian M_ij = ⟨g_i, g_j⟩ of the batch.

    | method | its weights ŵ | arXiv |
    |---|---|---|
    | ``mgda`` | argmin wᵀMw on the simplex: the shortest of all weighted gradients | 1810.04650 |
    | ``upgrad`` | Σ_k v_k argmin {uᵀMu : u ≥ e_k}: each gradient turned until it opposes none | 2406.16232 |
    | ``dualproj`` | argmin {uᵀMu : u ≥ v}: the weighted gradient turned until it opposes none | 1706.08840 |
    | ``nash-mtl`` | Mw = 1/w: no other direction gains more relatively than it loses | 2202.01017 |
    | ``fairgrad`` | Mw = w^(−1/α), α = 2; α = 1 is ``nash-mtl`` | 2402.15638 |
    | ``aligned-mtl`` | √λ_min V Λ^(−1/2) Vᵀ v with M = VΛVᵀ: gradients made orthogonal and equally long | 2305.19000 |
    | ``imtl-g`` | M⁺ √diag(M): the direction with the same component along every gradient | (ICLR 2021) |
    | ``cagrad`` | the best worst ⟨g_k, d⟩ with ‖d − ḡ‖ ≤ c‖ḡ‖ around the mean ḡ, c = 0.4 | 2110.14048 |
    | ``pcgrad`` | each gradient less its components along those that it opposes, in random order | 2001.06782 |
    | ``gapo`` | ``mgda`` on g_k/‖g_k‖^p, p = 1 (known at second hand) | 2507.01915 |

    They are TorchJD's ``Weighting`` classes, with three differences. ``mgda`` and ``gapo`` solve the problem exactly:
    TorchJD stops after 100 steps, some percent above the least norm where gradients differ much in length, and gives
    the first of two equal gradients all the weight. ``upgrad`` and ``dualproj`` use a smaller ridge (1e-12 of the
    trace instead of 1e-4), so that they do not oppose gradients that are short beside the others. ``nash-mtl`` is
    TorchJD's FairGrad with α = 1, whose equation is the same and which needs neither state nor a Jacobian.

    M is divided by its mean diagonal first, so that no method's own tolerance depends on the unit of a gradient. All
    methods take a singular M. :class:`paretune.weighting.gramian_solution.GramianSolution` says what happens with an
    indefinite M, and with an objective that has no gradient. Negative weights, which ``imtl-g`` and ``aligned-mtl`` can
    have, become 0.

    Signal: the Gramian. Cost: one backward pass for each objective, and a small problem: below 10 ms for 8 objectives,
    20 to 40 ms with ``cagrad``.

    Limits: ‖g_k‖² of one batch holds the noise's own square, which pulls ``mgda`` toward the objective with the least
    noise and the others toward equal weights; `halves` takes it out. The orders of ``pcgrad`` are drawn from the
    optimiser step, so all processes and a resumed run draw the same.

    Args:
        method: one of the above.
        parameter: c of ``cagrad``, α of ``fairgrad``, p of ``gapo``; None: the default. No other method has one.
        priorities: v, one for each objective, by name or in order; None: all equal. Only ``upgrad``, ``dualproj`` and
            ``aligned-mtl`` have a place for them.
        smoothing: the share of the old weights in the new ones, in [0, 1).
        halves: take M across two halves of the prompts, which has no noise term and costs as many passes.

    Raises:
        ValueError: for a value outside its range.
        ImportError: if TorchJD, or what the method needs beside it, is not installed.

    Example: gradients of length 2 and 1 at a right angle have M = diag(4, 1). ``mgda`` gives 1/5 and 4/5, ``nash-mtl``,
    ``imtl-g`` and ``aligned-mtl`` 1/3 and 2/3, ``upgrad`` 1/2 and 1/2. From equal weights, ``mgda`` makes 0.47 and 0.53
    in the first batch.
    """

    name: ClassVar[str] = "gramian"
    description: ClassVar[str] = "a gradient balancing method, through TorchJD"
    paper: ClassVar[str] = "Jacobian Descent (TorchJD), arXiv 2406.16232"

    def __init__(
        self,
        method: MethodName = "upgrad",
        *,
        parameter: float | None = None,
        priorities: Priorities = None,
        smoothing: float = 0.9,
        halves: bool = False,
    ) -> None:
        super().__init__(priorities, smoothing=smoothing, halves=halves)
        if method not in METHODS:
            raise ValueError(f"`method` must be one of {', '.join(METHODS)}, got {method!r}.")
        if parameter is not None and METHODS[method].parameter is None:
            raise ValueError(f"{method} has no `parameter`, got {parameter}.")
        check_positive(parameter=parameter)
        if priorities is not None and not METHODS[method].prioritised:
            able = ", ".join(name for name, known in METHODS.items() if known.prioritised)
            raise ValueError(f"{method} has no place for `priorities`: {able} have.")
        self.method = method
        self.parameter = METHODS[method].parameter if parameter is None else parameter
        try:
            self._solved(torch.eye(2, dtype=torch.float64), torch.full((2,), 0.5, dtype=torch.float64))
        except ImportError as error:
            raise ImportError(
                f"method {method!r} needs TorchJD and its solvers: pip install 'paretune[torchjd]' ({error})"
            ) from error

    def solve(self, gramian: Tensor, live: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The method's weights; NaN if its solver fails, and a warning says why."""
        shares = self.shares(batch)[live]
        try:
            with torch.random.fork_rng(devices=[]):  # PCGrad draws from the generator that training draws from
                torch.default_generator.manual_seed(batch.step)  # `torch.manual_seed` would seed the GPU's for good
                found = self._solved(gramian / gramian.diagonal().mean(), shares / shares.sum())
        except Exception as error:  # each solver has errors of its own
            reason = " ".join(str(error).split())
            warnings.warn(f"{self.method} found no weights at step {batch.step} ({reason}): unchanged.", stacklevel=3)
            found = torch.full((len(gramian),), torch.nan)
        return found, {}

    def _solved(self, gramian: Tensor, shares: Tensor) -> Tensor:
        torchjd = import_module("torchjd.aggregation")
        return METHODS[self.method].solve(torchjd, gramian, shares, self.parameter or 0.0)
