"""An accelerator for machines that have none: tensors that stand elsewhere and do not mix with those on the CPU.

They are CPU tensors with a mark. Within :class:`Elsewhere` what is computed of them has the mark, too, and PyTorch's
rules hold: no operation takes tensors of both places (but for single numbers, and indices on the CPU), and float64 is
refused, as an Apple GPU refuses it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

DEVICE = torch.device("mps", 0)
"""What the device of such a tensor is said to be."""


def is_elsewhere(value: Any) -> bool:
    return isinstance(value, Tensor) and getattr(value, "stands_elsewhere", False)


def put_elsewhere(value: Tensor) -> Tensor:
    moved = value.clone()
    moved.stands_elsewhere = True
    return moved


class Elsewhere(TorchFunctionMode):
    def __torch_function__(self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(function, "__name__", "")
        if function == Tensor.device.__get__:
            return DEVICE if is_elsewhere(args[0]) else function(*args, **kwargs)
        if name in ("cpu", "to", "numpy", "__getitem__", "__setitem__"):
            return getattr(self, f"_{name.strip('_')}")(function, args, kwargs)
        asked = kwargs.get("device")
        if asked is not None and torch.device(asked).type == DEVICE.type:
            kwargs["device"] = "cpu"
            return _marked(function(*args, **kwargs))
        tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        there = [value for value in tensors if is_elsewhere(value)]
        if not there:
            return function(*args, **kwargs)
        here = [value for value in tensors if not is_elsewhere(value) and value.dim() > 0]
        if here:
            raise RuntimeError(f"{name}: expected all tensors to be on the same device, found {DEVICE} and cpu")
        found = function(*args, **kwargs)
        return found if name == "__get__" and not isinstance(found, Tensor) else _marked(found)

    def _cpu(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        return function(*args, **kwargs).clone()

    def _to(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        tensor, *told = args
        there, dtype = is_elsewhere(tensor), tensor.dtype
        for value in [*told, *kwargs.values()]:
            if isinstance(value, Tensor):
                there, dtype = is_elsewhere(value), value.dtype
            elif isinstance(value, torch.dtype):
                dtype = value
            elif isinstance(value, str | torch.device):
                there = torch.device(value).type == DEVICE.type
        moved = tensor.detach().clone()
        moved = moved if moved.dtype == dtype else moved.type(dtype)
        return _marked(moved) if there else moved

    def _numpy(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if is_elsewhere(args[0]):
            raise TypeError(f"can't convert {DEVICE} tensor to numpy. Use Tensor.cpu() to copy the tensor first.")
        return function(*args, **kwargs)

    def _getitem(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if not is_elsewhere(args[0]) and any(map(is_elsewhere, tree_leaves(args[1]))):
            raise RuntimeError("indices should be on the same device as the indexed tensor (cpu)")
        found = function(*args, **kwargs)
        return _marked(found) if is_elsewhere(args[0]) else found

    def _setitem(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        target, index, value = args
        leaves = tree_leaves(index)
        mixed = isinstance(value, Tensor) and value.dim() > 0 and is_elsewhere(value) != is_elsewhere(target)
        if mixed or (not is_elsewhere(target) and any(map(is_elsewhere, leaves))):
            raise RuntimeError(f"__setitem__: expected all tensors to be on the same device, found {DEVICE} and cpu")
        return function(*args, **kwargs)


def _marked(found: Any) -> Any:
    for value in _tensors(found):
        if value.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype: the MPS framework has none.")
        value.stands_elsewhere = True
    return found


def _tensors(found: Any) -> Iterator[Tensor]:
    return (value for value in tree_leaves(found) if isinstance(value, Tensor))
