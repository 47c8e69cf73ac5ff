"""Virtual environments of other frameworks, which cannot stand in ours, made as the documentation says."""

import os
import shutil
import subprocess
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]


def made(folder: Path, requirements: Path) -> Path:
    """With the requirements on a PyTorch for the CPU, and the package; returns the folder of its programs."""
    venv.create(folder, with_pip=True)
    programs = folder / "bin"
    torch = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
    source = folder / "source"  # a build leaves files in its folder
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for what in ([torch, "-r", str(requirements)], ["--no-deps", str(source)]):
        subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", *what], check=True)
    return programs


def run(command: list[str | Path], folder: Path) -> None:
    """A program of such an environment, without a GPU."""
    quiet = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": ""}
    subprocess.run(command, cwd=folder, env={**os.environ, **quiet}, check=True)
