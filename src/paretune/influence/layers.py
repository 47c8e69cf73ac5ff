"""On which parameters influence is measured."""

from collections.abc import Sequence
from typing import Literal

from torch import nn


def select_parameters(model: nn.Module, layers: Literal["all", "middle"] | Sequence[int]) -> list[nn.Parameter]:
    """The trainable parameters of the chosen blocks.

    The paper measures on blocks 10 to 25 of 36 (Lu et al., arXiv 2509.11452); ``"middle"`` is the same share of any
    model: ⌊10L/36⌋ … ⌊25L/36⌋ of L blocks, both ends included. Embeddings, head and final norm belong to no block.

    Args:
        model: a transformer whose blocks stand in one ``nn.ModuleList`` (adapters of PEFT in between do no harm).
        layers: ``"all"`` for every trainable parameter of the model, ``"middle"``, or block indices; one that is named
            twice counts once.

    Raises:
        ValueError: if an index is out of range (a negative one is), or nothing trainable is left.
    """
    if layers == "all":
        chosen = [p for p in model.parameters() if p.requires_grad]
    else:
        blocks = _blocks(model)
        indices = range(10 * len(blocks) // 36, 25 * len(blocks) // 36 + 1) if layers == "middle" else layers
        outside = [i for i in indices if i not in range(len(blocks))]
        if outside:
            raise ValueError(f"`layers` names block {outside[0]}, but the model has blocks 0 to {len(blocks) - 1}.")
        # A set of tensors: a block named twice, or weights that two blocks share, would be multiplied twice.
        every = (p for i in indices for p in blocks[i].parameters() if p.requires_grad)
        chosen = list({id(p): p for p in every}.values())
    if not chosen:
        raise ValueError(f"`layers`={layers!r} holds no trainable parameter: choose blocks that are trained.")
    return chosen


def _blocks(model: nn.Module) -> nn.ModuleList:
    depth = getattr(getattr(model, "config", None), "num_hidden_layers", None)
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise ValueError(f"{type(model).__name__} has no list of {depth} blocks: use layers='all'.")
