from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from paretune.sandbox import Limits, Program, Sandbox, SandboxError, open_sandbox
from paretune.tasks.safesql.run import Run, seen

DATA = Path(__file__).parents[3] / "../shared/data/safesql"


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    try:
        opened = open_sandbox(limits=Limits(seconds=3.0))
    except SandboxError as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def databases_of(sandbox: Sandbox) -> Callable[[str], tuple[dict[str, bytes], frozenset[tuple[str, str]]]]:
    """The databases a script makes, and the tables in them."""

    def make(script: str) -> tuple[dict[str, bytes], frozenset[tuple[str, str]]]:
        ((outcome,),) = sandbox.run([Program(script, [""], keep=True)])
        assert outcome.databases is not None
        return outcome.databases, outcome.reached

    return make


@pytest.fixture(scope="session")
def runner(sandbox: Sandbox) -> Callable[[str, Mapping[str, bytes]], Callable[[Sequence[str]], list[Run]]]:
    """Makes, of a program and databases, the callback that runs it on some inputs."""

    def of(program: str, databases: Mapping[str, bytes]) -> Callable[[Sequence[str]], list[Run]]:
        def run(inputs: Sequence[str]) -> list[Run]:
            (outcomes,) = sandbox.run([Program(program, list(inputs), databases)])
            return [seen(stdin, outcome) for stdin, outcome in zip(inputs, outcomes, strict=True)]

        return run

    return of


@pytest.fixture(scope="session")
def outputs_of(sandbox: Sandbox) -> Callable[[str, Mapping[str, bytes], Sequence[str]], list[str]]:
    """What a program prints on some inputs."""

    def of(program: str, databases: Mapping[str, bytes], inputs: Sequence[str]) -> list[str]:
        (outcomes,) = sandbox.run([Program(program, list(inputs), databases)])
        return [outcome.output for outcome in outcomes]

    return of
