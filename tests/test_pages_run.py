"""Every command and every Python block of the README and of *Your rewards, end to end* does what it says.

The ordinary tests run them with fewer steps and samples, without the comparisons. The slow ones run them as they stand.
"""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from paretune.cli import main
from paretune.cli.parser import make_parser
from paretune.objectives import clarity
from policies import brief, digits, prompts, saved_policy

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
EXTRA = re.compile(r"\[([\w,]+)\]")
SMALL = {
    "per_device_train_batch_size": "8", "num_generations": "4", "max_completion_length": "12", "eval_samples": "8",
}  # fmt: skip
SHORT = {**SMALL, "max_steps": "2", "eval_steps": "1", "save_steps": "1"}


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of each block of a page."""
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def commands(text: str) -> list[list[str]]:
    """The commands of a block in words; none where it shows an output."""
    lines = text.replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return words if all(line[:1] in (["paretune"], ["make"], ["pip"]) for line in words) else []


def flags(settings: dict[str, str]) -> list[str]:
    return [word for name, value in settings.items() for word in (f"--{name}", value)]


def run(command: list[str], whole: bool) -> None:
    """Run a command of paretune; of make and pip see that they name what there is."""
    program, *words = command
    if program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    elif program == "pip":
        project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        for extra in ",".join(EXTRA.findall(" ".join(words))).split(","):
            assert not extra or re.search(rf"^{extra} = \[", project, re.MULTILINE), extra
    elif whole:
        assert main(words) == 0
    elif words[0] == "compare":
        make_parser("paretune compare").read(words[1:])
    else:
        quick = {"check": [*flags(SMALL), "--batches", "1"], "train": flags(SHORT)}.get(words[0], [])
        # What two steps leave may satisfy no threshold.
        assert main([*(re.sub(r"^correct=0\.\d+$", "correct=0", word) for word in words), *quick]) == 0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def readme(folder: Path, whole: bool) -> None:
    given: dict[str, Any] = {"correct": digits, "short": brief, "clear": clarity, "dataset": prompts()}
    for language, text in blocks("README.md"):
        if language == "python":
            if "grpo_config" in text:  # the script of the reader
                from trl import GRPOConfig

                text = text.replace("Qwen/Qwen3-0.6B", saved_policy(folder / "policy"))
                given["grpo_config"] = GRPOConfig(
                    "runs/theirs", max_steps=1, per_device_train_batch_size=8, num_generations=4,
                    max_completion_length=8, use_cpu=True, bf16=False, report_to="none",
                )  # fmt: skip
            elif not whole:
                text = text.replace('"max_steps": 20', '"max_steps": 1, "eval_samples": 8')
            exec(compile(text, "README.md", "exec"), given)
        for command in commands(text) if not language else []:
            run(command, whole)


def forget(script: Path) -> None:
    """Have a file imported anew, as another process would."""
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) == str(script.resolve()):
            del sys.modules[name]


def your_rewards(folder: Path, whole: bool) -> None:
    for language, text in blocks("docs/your-rewards.md"):
        if language == "python" and "def task" in text:
            (folder / "my_task.py").write_text(text, encoding="utf-8")
        elif language == "python" and text.startswith("OBJECTIVES = ["):
            script = (folder / "my_task.py").read_text(encoding="utf-8")
            (there,) = re.findall(r"^OBJECTIVES = \[\n.*?^\]\n", script, re.DOTALL | re.MULTILINE)
            (folder / "my_task.py").write_text(script.replace(there, text), encoding="utf-8")
            forget(folder / "my_task.py")
        elif language == "python":
            exec(compile(text, "your-rewards.md", "exec"), {})
        for command in commands(text) if not language else []:
            run(command, whole)


PAGES = {"README.md": readme, "docs/your-rewards.md": your_rewards}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs(page: str, folder: Path) -> None:
    PAGES[page](folder, whole=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_as_it_stands(page: str, folder: Path) -> None:
    PAGES[page](folder, whole=True)


@pytest.mark.parametrize(("page", "least"), [("README.md", 11), ("docs/your-rewards.md", 7)])
def test_its_commands_are_found(page: str, least: int) -> None:
    assert sum(len(commands(text)) for language, text in blocks(page) if not language) >= least
