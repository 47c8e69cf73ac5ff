"""Deep-sea treasure with maps of different worth, concave each, whose average front is convex; see `treasure`."""

from pathlib import Path

from paretune.tasks import Task, treasure

DESCRIPTION = "deep-sea treasure: concave fronts, their mean is not"


def load(data: str | Path | None = None) -> Task:
    """The scaled family; see :func:`paretune.tasks.treasure.load_family`."""
    return treasure.load_family("treasure_scaled", DESCRIPTION, "scaled", data)
