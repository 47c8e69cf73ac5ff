"""The versions that a run's figures depend on."""

import platform
from functools import cache
from importlib.metadata import version

PACKAGES = ("paretune", "torch", "transformers", "trl", "accelerate", "moocore")


@cache
def versions() -> dict[str, str]:
    """Python's and those of :data:`PACKAGES`, as they were when they were first asked for: looking them up is slow."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
