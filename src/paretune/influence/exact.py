"""The exact influence and Gramian: one forward pass and K backward passes over the same graph."""

from collections.abc import Sequence

from torch import nn

from paretune.influence.base import Influence, PolicyLoss
from paretune.influence.estimator import Estimator, Passes, RunFacts, Target
from paretune.influence.gradients import Gradient, backward, gramian, put_aside, set_gradients
from paretune.influence.halves import pieces_of
from paretune.influence.realised import Realised


def exact_influence(
    loss: PolicyLoss,
    parameters: Sequence[nn.Parameter],
    *,
    selected: Sequence[nn.Parameter] | None = None,
    clip_norm: float | None = None,
) -> Influence:
    r"""I = (G Gᵀ)·1 with G ∈ R^{K×P} the objectives' gradients (Algorithm 2 of Lu et al., arXiv 2509.11452).

    Every objective's gradient g_k = Σ c_k ∇log π is one backward pass over the graph of a forward pass that all
    share, in micro-batches. K gradients of the selected parameters are kept until the inner products are taken, in
    float64. Gradients already accumulated in the parameters are put aside and given back.

    Args:
        loss: the loss on this process's part of the batch.
        parameters: all trainable parameters.
        selected: those on which the inner products are taken; None for all.
        clip_norm: clip each g_k to this norm over *all* parameters first, as the released code does.

    Returns:
        The influence ``[K]`` and the Gramian ``[K, K]``.
    """
    chosen = list(parameters if selected is None else selected)
    # The norm to clip by is the whole model's, so then the whole model has to be differentiated.
    differentiated = list(parameters) if clip_norm is not None else chosen
    (gradients,) = objective_gradients(loss, parameters, differentiated, halved=False)
    if clip_norm is None:
        products = gramian(gradients, chosen, loss)
        return Influence(values=products.sum(dim=1), method=Exact.name, gramian=products)
    whole = gramian(gradients, differentiated, loss).diagonal().sqrt()
    factor = (clip_norm / (whole + 1e-6)).clamp(max=1.0)  # as torch.nn.utils.clip_grad_norm_
    indices = {id(p): i for i, p in enumerate(differentiated)}
    of_chosen = [[row[indices[id(p)]] for p in chosen] for row in gradients]
    products = gramian(of_chosen, chosen, loss) * factor[:, None] * factor[None, :]
    return Influence(values=products.sum(dim=1), method=Exact.name, gramian=products)


def objective_gradients(
    loss: PolicyLoss, parameters: Sequence[nn.Parameter], differentiated: Sequence[nn.Parameter], *, halved: bool
) -> list[list[Gradient]]:
    """Each objective's gradient of some parameters: K for the whole batch, or K for each half of its prompts.

    Args:
        loss: the loss on this process's part of the batch.
        parameters: all trainable parameters.
        differentiated: those whose gradients are wanted.
        halved: whether halves are taken apart.
    """
    found: list[list[Gradient]] = []
    with put_aside(parameters):
        for micro_batch in loss.micro_batches:
            pieces = pieces_of(loss, micro_batch, halved=halved)
            found = found or [[[None] * len(differentiated) for _ in piece.coefficients] for piece in pieces]
            for gradients, piece in zip(found, pieces, strict=True):
                # An objective without an advantage here, on any process, has no gradient here either.
                sizes = loss.mean(piece.coefficients.abs().sum(dim=(1, 2)))
                alive = sizes.nonzero().flatten().tolist()
                for k in alive:
                    set_gradients(parameters, [None] * len(parameters))
                    set_gradients(differentiated, gradients[k])  # so that autograd adds to what is there
                    graph_is_needed = k != alive[-1]
                    backward(loss, piece.log_probs, piece.coefficients[k], differentiated, retain_graph=graph_is_needed)
                    gradients[k] = [p.grad for p in differentiated]
    return found


class Exact(Estimator):
    """:func:`exact_influence` as an estimator; ``"realised"``, which takes no gradient, stands in for it."""

    name = "exact"
    description = "a forward and K backward passes; also the Gramian"
    yields_gramian = True
    clips = True
    instead = Realised()
    as_substitute = "with a backward pass for each objective"

    def measure(self, target: Target) -> Influence:
        """The exact influence and the Gramian."""
        return exact_influence(target.loss, target.parameters, selected=target.selected, clip_norm=target.clip_norm)

    def passes(self, objectives: int, difference: str | None = None) -> Passes:
        """One forward pass and K backward passes."""
        return Passes(1, objectives)

    def obstacle(self, facts: RunFacts) -> str | None:
        """Whatever keeps training from taking another backward pass."""
        return facts.no_backward
