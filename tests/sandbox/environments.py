"""Machines that lack something, each as a fresh interpreter that opens a sandbox on one."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_START = """
import json, os, sys
from pathlib import Path
from paretune.sandbox import Limits, Program, Sandbox, SandboxError, open_sandbox
said = {}
"""
_END = """
print(json.dumps(said))
"""


def run(text: str, environment: dict[str, str] | None = None) -> Any:
    """Run a program that fills the dictionary `said`, in a fresh interpreter; what is in it then."""
    ended = subprocess.run(
        [sys.executable, "-c", _START + text + _END], env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def without_packages(folder: Path, keep: tuple[str, ...] = (), *, programs: dict[str, str] | None = None) -> str:
    """Lines after which there are no packages but some and no programs but those given, in an empty folder."""
    (folder / "packages").mkdir()
    (folder / "bin").mkdir()
    for name in keep:
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        (folder / "packages" / name).symlink_to(Path(found.origin).parent)
    for name, text in (programs or {}).items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    return f"""
sys.path[:] = [path for path in sys.path if "site-packages" not in path] + [{str(folder / "packages")!r}]
os.environ["PATH"] = {str(folder / "bin")!r}
"""
