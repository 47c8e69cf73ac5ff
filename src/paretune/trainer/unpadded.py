"""TRL's forward pass over some rows of a micro-batch, without most of its padding.

Completions are padded to the longest of the generation batch. A token sees nothing of what comes after it, so rows of
similar length pass together, cut to the longest of them. The tensors for TRL's loss keep their shape, with zeros where
the model was not asked: its fused head has zeros at padding, too.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from trl import GRPOTrainer

from paretune.trainer.run_facts import run_facts

Outputs = tuple[Tensor, Tensor | None, Tensor | None]
"""Log-probabilities and entropies ``[B, T]``, and an auxiliary loss."""

PASS = 128
"""Tokens of padding that a further pass on the CPU has to spare, for it costs time of its own (docs/performance.md)."""
PASS_ON_ACCELERATOR = 1024
"""The same where a pass of few tokens waits for its kernels to be launched; an estimate."""
SAMPLE_WISE = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
"""Arguments of TRL's forward pass with a row for each sample."""
IMAGES = ("pixel_values", "num_images", "num_tiles", "image_grid_thw", "image_position_ids", "spatial_shapes")
"""Those with rows for images or tiles."""


class UnpaddedForward:
    """TRL's forward pass as a function that leaves padding out where the log-probabilities do not depend on it.

    They do where dropout draws numbers for padding as well, and where the longest sequence of a pass decides how
    positions are encoded: there the pass is TRL's own. The prompts' padding on the left stays everywhere, since models
    with absolute positions count it. A model that is sharded over processes gathers its parameters in every pass, and
    all processes have to make as many: there each micro-batch is one pass, cut to its longest completion.

    Args:
        trainer: whose policy makes the passes.
    """

    def __init__(self, trainer: GRPOTrainer) -> None:
        facts = run_facts(trainer)
        self._forward: Callable[..., Outputs] = type(trainer)._get_per_token_logps_and_entropies
        self._cuts = not facts.dropout and not _encodes_by_longest(trainer.model)
        on_cpu = trainer.accelerator.device.type == "cpu"
        self._worth = None if facts.sharding is not None else PASS if on_cpu else PASS_ON_ACCELERATOR

    def __call__(self, rows: Tensor | None, *args: Any, **kwargs: Any) -> Outputs:
        """One pass or several over some rows.

        Args:
            rows: ``[b]``, of the micro-batch; None for all. With images the pass goes over all, and some are taken.
            *args: those of ``_get_per_token_logps_and_entropies``, the trainer first.
            **kwargs: as `args`.

        Returns:
            What that function returns, of those rows.
        """
        given = inspect.signature(GRPOTrainer._get_per_token_logps_and_entropies).bind(*args, **kwargs).arguments
        if any(given.get(name) is not None for name in IMAGES):
            log_probs, entropies, auxiliary = self._forward(**given)
            if rows is None:
                return log_probs, entropies, auxiliary
            return log_probs[rows], None if entropies is None else entropies[rows], auxiliary
        if rows is not None:
            given |= {name: given[name][rows] for name in SAMPLE_WISE if given.get(name) is not None}
        return self._in_groups(given) if self._cuts else self._forward(**given)

    def _in_groups(self, given: dict[str, Any]) -> Outputs:
        whole, count = given["input_ids"].shape[1], given["logits_to_keep"]
        positions = torch.arange(1, count + 1, device=given["attention_mask"].device)
        # TRL's fused head needs a position at least.
        lengths = (given["attention_mask"][:, -count:] * positions).amax(dim=1).clamp(min=1)
        ordered, order = lengths.sort()
        sizes = group_sizes(ordered.tolist(), self._worth)
        outputs = []
        for group, longest in zip(order.split(sizes), ordered[torch.tensor(sizes).cumsum(0) - 1].tolist(), strict=True):
            kept = slice(whole - count + longest)
            cut = {name: given[name][group, kept] for name in SAMPLE_WISE if given.get(name) is not None}
            outputs.append(self._forward(**{**given, **cut, "logits_to_keep": longest}))
        back = order.argsort()

        def joined(parts: Sequence[Tensor]) -> Tensor:
            return torch.cat([nn.functional.pad(p, (0, count - p.shape[1])) for p in parts])[back]

        log_probs, entropies, auxiliary = zip(*outputs, strict=True)
        return joined(log_probs), None if entropies[0] is None else joined(entropies), auxiliary[0]


def group_sizes(lengths: list[int], worth: int | None) -> list[int]:
    """How many rows pass together, of rows in ascending order of length.

    They are divided where that spares most padding, and each part again, as long as a division spares enough.

    Args:
        lengths: at least one.
        worth: tokens that a division has to spare; None for no division.

    Example:
        >>> group_sizes([10, 12, 90, 100], worth=100)
        [2, 2]
    """
    spared = [i * (lengths[-1] - lengths[i - 1]) for i in range(len(lengths))]
    most = max(spared)
    if worth is None or most <= worth:
        return [len(lengths)]
    at = spared.index(most)
    return group_sizes(lengths[:at], worth) + group_sizes(lengths[at:], worth)


def _encodes_by_longest(model: nn.Module) -> bool:
    """Whether rotary positions are stretched by how long the sequences of a pass are."""
    for module in model.modules():
        kinds = getattr(module, "rope_type", None) or ""
        for kind in kinds.values() if isinstance(kinds, dict) else [kinds]:
            if "dynamic" in kind or kind == "longrope":
                return True
    return False
