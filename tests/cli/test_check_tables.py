"""The tables of ``paretune check`` on a terminal of 80 columns."""

import io
from math import nan

import numpy as np

from paretune.choosing.check import Check, Seen, examine
from paretune.cli.check_tables import print_tables
from paretune.cli.screen import Screen


def checked() -> Check:
    """Figures of three objectives, of the kind and the length that those of `arithmetic` are."""
    random = np.random.default_rng(0)
    batches = []
    for method in (None, "exact"):
        rewards = np.stack([random.integers(0, 2, 64), random.random(64) * 0.6, random.random(64)], axis=1)
        gramian = np.array([[0.31, -0.12, 0.02], [-0.12, 0.44, -0.3], [0.02, -0.3, 0.5]])
        metrics = np.stack([rewards[:, 0], 60 * rewards[:, 1], rewards[:, 2]], axis=1)
        own = gramian if method else None
        batches.append(Seen(rewards, np.full(3, 1 / 3), metrics, own, own, None if own is None else 0.1 * own))
    batches.append(batches[-1])
    return examine(
        batches,
        names=["accuracy", "conciseness", "clarity"],
        maximize=[True, False, True],
        bounds=[(0.0, 1.0), None, (0.0, 1.0)],
        num_generations=8,
        truncated=nan,
        validation=[0.578, 27.0, 0.263],
        costs=[],
    )


def printed(width: int) -> list[str]:
    screen = io.StringIO()
    print_tables(checked(), 192, Screen(file=screen, width=width))
    return [line.rstrip() for line in screen.getvalue().splitlines()]


def test_nothing_breaks_or_is_cut_at_eighty_columns() -> None:
    narrow, wide = printed(80), printed(300)
    assert max(map(len, narrow)) <= 80
    assert [line.split() for line in narrow if "─" not in line] == [line.split() for line in wide if "─" not in line]
