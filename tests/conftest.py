"""What several test files share."""

import functools
import gc
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from rotation import share_of

# How long an example takes says how busy the machine is, and nothing about the code.
# Other examples are drawn in each run, so that half of the usual number are seen soon enough.
settings.register_profile("paretune", deadline=None, max_examples=50)
settings.load_profile("paretune")

# Importing makes a million objects and no garbage; until the tests begin, collections only search them.
gc.disable()

# accelerate reads it anew whenever it asks what is installed, forty times a training.
importlib.metadata.metadata = functools.cache(importlib.metadata.metadata)

GOLDEN = Path(__file__).parents[1] / "../shared/golden/reference_vectors.json"


def pytest_collection_finish() -> None:
    """Keep what the imports have made out of garbage collections: accelerate asks for one at each training.

    With a million objects of torch, transformers and others it took as long as a tiny training itself.
    """
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Shares of tests that take turns."""
    help_of = "of tests that take turns, the share of landing N (tests/rotation.py)"
    parser.addoption("--rotating", type=int, metavar="N", help=help_of)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the share that is asked for."""
    number = config.getoption("--rotating")
    if number is None:
        return
    kept = set(share_of(items, number))
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """Results of the paper's released code on random inputs."""
    if not GOLDEN.is_file():
        pytest.skip("shared/golden/reference_vectors.json does not stand beside this checkout")
    return json.loads(GOLDEN.read_text(encoding="utf-8"))
