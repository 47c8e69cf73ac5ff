from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from paretune.sandbox import Limits, Program, Sandbox, SandboxError, open_sandbox
from paretune.tasks.safesql.run import Run

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
def databases_of(sandbox: Sandbox) -> Callable[[str], tuple[dict[str, bytes], tuple[str, ...]]]:
    """The databases a script makes, and the statements it runs."""

    def make(script: str) -> tuple[dict[str, bytes], tuple[str, ...]]:
        ((outcome,),) = sandbox.run([Program(script, [""], keep=True)])
        assert outcome.databases is not None
        return outcome.databases, tuple(statement.text for statement in outcome.statements)

    return make


@pytest.fixture(scope="session")
def runner(sandbox: Sandbox) -> Callable[[str, Mapping[str, bytes]], Callable[[Sequence[str]], list[Run]]]:
    """Makes, of a program and databases, the callback that runs it on some inputs."""

    def of(program: str, databases: Mapping[str, bytes]) -> Callable[[Sequence[str]], list[Run]]:
        def run(inputs: Sequence[str]) -> list[Run]:
            (outcomes,) = sandbox.run([Program(program, list(inputs), databases)])
            return [
                Run(stdin, outcome.output, tuple(statement.text for statement in outcome.statements))
                for stdin, outcome in zip(inputs, outcomes, strict=True)
            ]

        return run

    return of
