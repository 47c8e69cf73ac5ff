"""What the tests of bad input share."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from paretune import tasks
from paretune.cli import main
from paretune.cli.bad_input import LONGEST
from policies import saved_policy


class TooLateError(AssertionError):
    """A model was loaded for input that should have been refused before."""


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module")
def tasks_are_loaded_once() -> Iterator[None]:
    """Drawing the sums again for each of the command lines would take half of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "load", functools.cache(tasks.load))
        yield


@pytest.fixture
def refused_late(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must be refused, if need be with the model in memory; returns the line it says."""

    def run(*argv: Any) -> str:
        capsys.readouterr()
        assert main([str(a) for a in argv]) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert len(said) == 1, said
        assert said[0].startswith("paretune: ")
        assert len(said[0]) < LONGEST + 20
        assert said[0].isprintable()
        return said[0]

    return run


@pytest.fixture
def refused(refused_late: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The same, before a model is loaded or a run of a comparison is made."""

    def too_late(*_: Any, **__: Any) -> None:
        raise TooLateError

    monkeypatch.setattr("paretune.cli.train.MultiObjectiveTrainer", too_late)
    monkeypatch.setattr("paretune.cli.compare._run_all", too_late)
    return refused_late
