"""Gradients of the policy: taken without touching those in accumulation, and multiplied wherever they lie."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, Shard

from paretune.influence.base import PolicyLoss

Gradient = list[Tensor | None]
"""One tensor a parameter, None where nothing reached it."""


@contextmanager
def put_aside(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Inside, no parameter has a gradient; after it, each has the one it had."""
    gradients = [p.grad for p in parameters]
    set_gradients(parameters, [None] * len(parameters))
    try:
        yield
    finally:
        set_gradients(parameters, gradients)


def set_gradients(parameters: Sequence[nn.Parameter], gradients: Gradient) -> None:
    """Make these the parameters' gradients, for autograd to add to."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient


def backward(
    loss: PolicyLoss,
    log_probs: Tensor,
    coefficients: Tensor,
    chosen: Sequence[nn.Parameter],
    *,
    retain_graph: bool = False,
) -> None:
    """Add Σ c ∇log π to the gradients of the chosen parameters, and to no others where that can be.

    ``.backward()`` rather than ``torch.autograd.grad``, which reentrant checkpointing and FSDP2 rule out.
    """
    inputs = None if loss.whole_backward else chosen
    torch.autograd.backward(log_probs, coefficients, retain_graph=retain_graph, inputs=inputs)


def gramian(rows: Sequence[Gradient], parameters: Sequence[nn.Parameter], loss: PolicyLoss) -> Tensor:
    """Inner products ``[K, K]`` of K gradients of these parameters, averaged over processes, in float64."""
    products = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    for i, parameter in enumerate(parameters):
        part = torch.stack([_flat(row[i], parameter) for row in rows])
        if not isinstance(parameter, DTensor):
            part = loss.mean_gradient(part)
        part = high_precision(part)
        products += shards(parameter) * (part @ part.T).cpu()
    return loss.mean(products)


def squared_norm(tensors: Sequence[Tensor], loss: PolicyLoss) -> float:
    """Σ ‖·‖² of tensors that every process holds alike, or its shard of them."""
    total = torch.zeros((), dtype=torch.float64)
    for tensor in tensors:
        held = local(tensor)
        # Summed up in float64 without a copy of the tensor, where the device has float64.
        norm = torch.linalg.vector_norm(held, dtype=None if held.device.type == "mps" else torch.float64)
        total += shards(tensor) * norm.cpu().double().square()
    return float(loss.mean(total))


def inner(tensors: Sequence[Tensor], others: Sequence[Tensor], loss: PolicyLoss) -> float:
    """Σ ⟨·, ·⟩ of pairs of tensors that every process holds alike, or its shard of them."""
    total = torch.zeros((), dtype=torch.float64)
    for tensor, other in zip(tensors, others, strict=True):
        product = high_precision(local(tensor) * local(other))
        total += shards(tensor) * product.sum().cpu()
    return float(loss.mean(total))


def projected(coefficients: Tensor, ahead: Tensor, behind: Tensor) -> Tensor:
    """Σ_{n,t} c_k (ahead − behind) ``[K]`` of log-probabilities ``[B, T]``, in float64."""
    change = high_precision(ahead) - high_precision(behind)
    return torch.einsum("knt,nt->k", high_precision(coefficients), change)


def high_precision(tensor: Tensor) -> Tensor:
    """In float64; on the CPU where the device has none."""
    return tensor.cpu().double() if tensor.device.type == "mps" else tensor.double()


def local(tensor: Tensor) -> Tensor:
    """What this process holds of it."""
    held: Tensor = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return held.detach()


def shards(tensor: Tensor) -> int:
    """Over how many processes it is cut up: a sum over its elements is the mean over processes times this."""
    if not isinstance(tensor, DTensor):
        return 1
    sizes = zip(tensor.placements, tensor.device_mesh.shape, strict=True)
    return prod(size for placement, size in sizes if isinstance(placement, Shard))


def _flat(gradient: Tensor | None, parameter: nn.Parameter) -> Tensor:
    # A parameter that an objective does not reach (or that no token used) has no gradient.
    held = local(parameter)
    return torch.zeros_like(held).flatten() if gradient is None else local(gradient).flatten()
