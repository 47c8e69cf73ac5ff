"""The exact influence and Gramian: one forward pass and K backward passes over the same graph."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from paretune.influence.base import Influence, PolicyLoss


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

    ``.backward()`` is used rather than ``torch.autograd.grad``, which reentrant checkpointing rules out.

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
    put_aside = [p.grad for p in parameters]
    gradients: list[list[Tensor | None]] = []
    try:
        for micro_batch in loss.micro_batches:
            log_probs = loss.log_probs(micro_batch)
            coefficients = loss.coefficients(micro_batch)
            gradients = gradients or [[None] * len(differentiated) for _ in coefficients]
            # An objective without an advantage here has no gradient here either.
            alive = [k for k, c in enumerate(coefficients) if c.any()]
            for k in alive:
                _set_gradients(parameters, [None] * len(parameters))
                _set_gradients(differentiated, gradients[k])  # so that autograd adds to what is there
                torch.autograd.backward(
                    log_probs,
                    coefficients[k],
                    retain_graph=k != alive[-1],
                    inputs=None if len(differentiated) == len(parameters) else differentiated,
                )
                gradients[k] = [p.grad for p in differentiated]
    finally:
        _set_gradients(parameters, put_aside)

    indices = {id(p): i for i, p in enumerate(differentiated)}
    gramian = torch.zeros(len(gradients), len(gradients), dtype=torch.float64)
    whole = torch.zeros(len(gradients), dtype=torch.float64)
    in_gramian = {indices[id(p)] for p in chosen}
    for i, parameter in enumerate(differentiated):
        rows = torch.stack([_flat(parameter, of_objective[i]) for of_objective in gradients])
        rows = loss.mean_over_processes(rows).double()
        if i in in_gramian:
            gramian += (rows @ rows.T).cpu()
        whole += rows.square().sum(dim=1).cpu()
    if clip_norm is not None:
        factor = (clip_norm / (whole.sqrt() + 1e-6)).clamp(max=1.0)  # as torch.nn.utils.clip_grad_norm_
        gramian = gramian * factor[:, None] * factor[None, :]
    return Influence(values=gramian.sum(dim=1), gramian=gramian)


def _set_gradients(parameters: Sequence[nn.Parameter], gradients: Sequence[Tensor | None]) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient


def _flat(parameter: nn.Parameter, gradient: Tensor | None) -> Tensor:
    # A parameter that an objective does not reach (or that no token used) has no gradient.
    return torch.zeros_like(parameter).flatten() if gradient is None else gradient.flatten()
