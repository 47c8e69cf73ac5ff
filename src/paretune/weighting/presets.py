"""Weights by name: the three baselines of the paper."""

from collections.abc import Sequence

PRESETS: dict[str, tuple[float, float, float]] = {
    "accuracy": (0.5, 0.25, 0.25),
    "balanced": (0.334, 0.333, 0.333),
    "efficiency": (0.25, 0.375, 0.375),
}
"""For (accuracy, conciseness, clarity), from Lu et al. (arXiv 2509.11452)."""


def weights_of(given: Sequence[float] | str) -> Sequence[float]:
    """Weights as they are, or those of a preset.

    Raises:
        ValueError: for an unknown preset.
    """
    if not isinstance(given, str):
        return given
    if given not in PRESETS:
        raise ValueError(f"Unknown preset {given!r}: choose one of {', '.join(PRESETS)}.")
    return PRESETS[given]
