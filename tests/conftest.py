"""What several test files share."""

import gc
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("paretune", deadline=None)
settings.load_profile("paretune")

GOLDEN = Path(__file__).parents[1] / "../shared/golden/reference_vectors.json"


def pytest_collection_finish() -> None:
    """Keep what the imports have made out of garbage collections: accelerate asks for one at each training.

    With a million objects of torch, transformers and others it took as long as a tiny training itself.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """Results of the paper's released code on random inputs."""
    if not GOLDEN.is_file():
        pytest.skip("shared/golden/reference_vectors.json does not stand beside this checkout")
    return json.loads(GOLDEN.read_text(encoding="utf-8"))
