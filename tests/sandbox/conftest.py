from collections.abc import Iterator

import pytest

from paretune.sandbox import Limits, Sandbox, SandboxError


@pytest.fixture(scope="session", params=["bubblewrap", "landlock"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Each back end that this machine has, with short deadlines."""
    try:
        opened = Sandbox(request.param, slots=4, limits=Limits(seconds=2.0, output=200_000))
    except SandboxError as error:
        pytest.skip(f"not on this machine: {error}")
    yield opened
    opened.close()
