"""The long tests leave their figures in `soak.jsonl` at the top of the repository, for docs/reliability.md."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paretune.record.json_lines import append_line

FIGURES = Path(__file__).parents[2] / "soak.jsonl"


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Keeps figures of the test that asks for it."""

    def keep(**figures: Any) -> None:
        append_line(FIGURES, {"test": request.node.name, **figures})

    return keep
