"""Deep-sea treasure with a convex front: the maps of Yang et al. 2019 (arXiv 1908.08342), see `treasure`."""

from pathlib import Path

from paretune.tasks import Task, treasure

DESCRIPTION = "deep-sea treasure with a convex, known front"


def load(data: str | Path | None = None) -> Task:
    """The convex family; see :func:`paretune.tasks.treasure.load_family`."""
    return treasure.load_family("treasure_convex", DESCRIPTION, "convex", data)
