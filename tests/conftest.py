"""What several test files share."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("paretune", deadline=None)
settings.load_profile("paretune")

GOLDEN = Path(__file__).parents[1] / "../shared/golden/reference_vectors.json"


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """Results of the paper's released code on random inputs."""
    if not GOLDEN.is_file():
        pytest.skip("shared/golden/reference_vectors.json does not stand beside this checkout")
    return json.loads(GOLDEN.read_text(encoding="utf-8"))
