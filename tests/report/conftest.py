"""Records that the tests of reports read, and copy before they change them."""

from pathlib import Path

import pytest

from report.records import ARMS, write_comparison, write_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the hypervolume rule."""
    return write_run(tmp_path_factory.mktemp("runs") / "hypervolume", ARMS[3])


@pytest.fixture(scope="session")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of four rules over four seeds."""
    return write_comparison(tmp_path_factory.mktemp("comparisons") / "arithmetic")
