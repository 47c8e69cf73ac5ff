"""The exact influence and Gramian across two halves of the prompts."""

from collections.abc import Sequence

from torch import nn

from paretune.influence.base import Influence, PolicyLoss
from paretune.influence.estimator import Target
from paretune.influence.exact import Exact, objective_gradients
from paretune.influence.gradients import gramian


def crossed_exact_influence(
    loss: PolicyLoss, parameters: Sequence[nn.Parameter], *, selected: Sequence[nn.Parameter] | None = None
) -> Influence:
    r"""I = M·1 with M = ½ (G_A G_Bᵀ + G_B G_Aᵀ), G_A and G_B the objectives' gradients on two halves of the prompts.

    M has the mean of the true Gramian, without the noise's own products ¼ (G_A − G_B)(G_A − G_B)ᵀ that the ordinary one
    has beside it. It may be indefinite, with diagonal entries below 0. Each row is in K backward passes, as with the
    exact influence; 2K gradients are kept.

    Args:
        loss: the loss on this process's part of the batch, its advantages made for two halves.
        parameters: all trainable parameters.
        selected: those on which the inner products are taken; None for all.

    Returns:
        The influence ``[K]``, the Gramian M and its noise, ``[K, K]`` each.
    """
    chosen = list(parameters if selected is None else selected)
    first, second = objective_gradients(loss, parameters, chosen, halved=True)
    count = len(first)
    products = gramian([*first, *second], chosen, loss)
    own = products[:count, :count] + products[count:, count:]
    across = products[:count, count:] + products[count:, :count]
    return Influence(
        values=across.sum(dim=1) / 2, method=CrossedExact.name, gramian=across / 2, noise=(own - across) / 4
    )


class CrossedExact(Exact):
    """:func:`crossed_exact_influence` as an estimator."""

    name = "crossed-exact"
    description = "exact across two halves of the prompts; also the Gramian"
    halved = True
    clips = False

    def measure(self, target: Target) -> Influence:
        """The influence and the Gramian across halves."""
        return crossed_exact_influence(target.loss, target.parameters, selected=target.selected)
