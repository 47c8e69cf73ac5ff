"""No door is open: what is executed, read and written, and what is not (docs/security.md)."""

import ast
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import paretune
from paretune.choosing.model_folder import ExportError, export
from paretune.cli import main
from paretune.cli.bad_input import BadInputError
from paretune.cli.ready import check_ready
from paretune.cli.settings import Settings
from paretune.record.json_lines import read_lines
from paretune.record.run_directory import read_steps
from paretune.tasks.own import load_rewards
from policies import saved_policy
from told import parse

SOURCE = Path(paretune.__file__).parent
REWARD = "def digits(completions, **_):\n    return [float(sum(c.isdigit() for c in text)) for text in completions]\n"


class Touch:
    """A pickle that makes a file where it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.path}'",)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a reward and data, as the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    furnish(tmp_path)
    return tmp_path


def furnish(folder: Path) -> None:
    (folder / "mine.py").write_text(REWARD)
    (folder / "data").mkdir()
    for split in ("train", "test"):
        (folder / "data" / f"{split}.jsonl").write_text('{"prompt": "1+1="}\n' * 16)


def flags(model: str | Path, *more: str) -> list[str]:
    own = ["--reward_funcs", "mine.digits", "--dataset_name", "data", "--model_name_or_path", str(model)]
    return [
        *own, "--rule", "fixed", "--weights", "1", "--num_generations", "4", "--per_device_train_batch_size", "8",
        "--max_completion_length", "4", "--gradient_checkpointing", "false", "--output_dir", "run", *more,
    ]  # fmt: skip


def settings(model: str | Path, *more: str) -> Settings:
    return parse(flags(model, *more), prog="paretune train", defaults={})


# --- what our own code does -------------------------------------------------------------------------------

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
CALLS = {
    "eval", "exec", "compile", "__import__", "torch.load", "torch.save", "os.system", "os.popen", "yaml.load",
    "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "yaml.Loader", "yaml.UnsafeLoader", "yaml.FullLoader",
    "np.load", "numpy.load", "pd.read_pickle",
}  # fmt: skip
RUNS_PROGRAMS = "sandbox/inside/program.py"
"""Where torch's refusal of a pickle is caught."""


def nodes() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield path.relative_to(SOURCE).as_posix(), node


def test_no_pickle_is_written_or_read_and_no_text_is_run() -> None:
    found = set()
    for file, node in nodes():
        if isinstance(node, ast.Import):
            found |= {(file, alias.name) for alias in node.names if alias.name.split(".")[0] in MODULES}
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            found |= {(file, f"{node.module}.{alias.name}") for alias in node.names}
        if isinstance(node, ast.Call) and ast.unparse(node.func) in CALLS:
            found.add((file, ast.unparse(node.func)))
        if (
            isinstance(node, ast.keyword)
            and node.arg in ("shell", "allow_pickle")
            and ast.unparse(node.value) != "False"
        ):
            found.add((file, node.arg))
    # A program that a policy wrote is run in a process of the sandbox, and nowhere else.
    assert found == {(RUNS_PROGRAMS, "exec"), (RUNS_PROGRAMS, "compile")}


def test_code_that_comes_with_a_model_is_never_trusted_by_ourselves() -> None:
    for file, node in nodes():
        if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
            assert ast.unparse(node.value) != "True", file


# --- models -----------------------------------------------------------------------------------------------

CODE = """
open({mark!r}, "w").close()
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM
class Config(Qwen3Config):
    model_type = "mine"
class Policy(Qwen3ForCausalLM):
    config_class = Config
class Tokenizer(PreTrainedTokenizerFast):
    pass
"""
OF_MODEL = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Policy"}


def with_code(model: str, folder: Path, file: str, **changes: Any) -> Path:
    """A copy of a model that names code of its own, which leaves a file where it is run."""
    shutil.copytree(model, folder)
    (folder / "code.py").write_text(CODE.format(mark=str(folder.parent / "ran")))
    described = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**described, **changes}))
    return folder


def test_a_model_that_needs_its_own_code_is_refused(model: str, place: Path) -> None:
    own = with_code(model, place / "own", "config.json", model_type="mine", auto_map=OF_MODEL)
    with pytest.raises(
        BadInputError, match="brings code of its own, which is not run: read it first, then give --trust"
    ):
        settings(own)
    assert not (place / "ran").exists()


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("config.json", {"auto_map": OF_MODEL}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": [None, "code.Tokenizer"]}}),
    ],
)
def test_code_that_is_not_needed_is_left_alone(file: str, changes: Any, model: str, place: Path) -> None:
    own = with_code(model, place / "own", file, **changes)
    check_ready(settings(own))
    assert main(["train", *flags(own, "--max_steps", "1")]) == 0
    assert not (place / "ran").exists()


def test_it_is_run_where_that_is_asked_for(model: str, place: Path) -> None:
    own = with_code(model, place / "own", "config.json", model_type="mine", auto_map=OF_MODEL)
    settings(own, "--trust_remote_code")
    assert (place / "ran").exists()


# --- checkpoints ------------------------------------------------------------------------------------------


def poison(path: Path, mark: Path) -> None:
    """Put a pickle that makes a file in a checkpoint's file, and its size where the checkpoint has them."""
    path.write_bytes(pickle.dumps(Touch(mark)))
    state = json.loads((path.parent / "paretune.json").read_text())
    state["files"][path.name] = path.stat().st_size
    (path.parent / "paretune.json").write_text(json.dumps(state))


def test_pickles_in_a_checkpoint_do_nothing(model: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """training_args.bin is never read; what is read (optimizer.pt, scheduler.pt, rng_state.pth) is read as tensors."""
    saving = ["--save_strategy", "steps", "--save_steps", "1"]
    assert main(["train", *flags(model, *saving, "--max_steps", "1")]) == 0
    checkpoint, mark = place / "run" / "checkpoint-1", place / "ran"
    poison(checkpoint / "training_args.bin", mark)
    again = ["train", *flags(model, *saving, "--max_steps", "2"), "--resume"]
    shutil.copytree("run", "whole")
    assert main(again) == 0
    assert [line["step"] for line in read_steps("run")] == [1, 2]
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        shutil.rmtree("run")
        shutil.copytree("whole", "run")
        poison(checkpoint / name, mark)
        capsys.readouterr()
        assert main(again) == 2, name
        assert "a pickle of more than tensors, which is not read" in capsys.readouterr().err
    assert not mark.exists()


# --- rewards ----------------------------------------------------------------------------------------------


def test_a_reward_path_imports_what_it_names_and_no_neighbour(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("named/__init__.py", "named/rewards.py", "named/neighbour.py", "neighbour.py", "conftest.py"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(f"open({name.replace('/', '-')!r} + '.ran', 'w').close()\n{REWARD}")
    for module in ("named", "named.rewards"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    before = list(sys.path)
    make = load_rewards(["named.rewards.digits"], "data")
    assert [objective.name for objective in make.objectives] == ["digits"]
    assert sorted(path.name for path in place.glob("*.ran")) == ["named-__init__.py.ran", "named-rewards.py.ran"]
    assert sys.path == before


@pytest.mark.parametrize("name", ["other.py", "__init__.py", "dataset_builder.py"])
def test_python_files_beside_data_are_not_run(name: str, place: Path) -> None:
    (place / "data" / name).write_text(f"open({str(place / 'ran')!r}, 'w').close()\n")
    assert len(load_rewards(["mine.digits"], "data").train) == 16
    assert not (place / "ran").exists()


# --- what a run writes, and whom it talks to --------------------------------------------------------------

WATCH = """
import os, sys
EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "subprocess.Popen",
          "os.system", "os.exec", "os.posix_spawn", "pickle.find_class")
def watch(event, arguments):
    if event in EVENTS:
        log = os.open(os.environ["WATCHED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(log, (event + " " + repr(arguments)[:200] + "\\n").encode())
        os.close(log)
sys.addaudithook(watch)
"""
CACHES = "home/.cache/huggingface/datasets/"


def files(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """Folders of its own for all that a process might write to; in the current one lie modules as traps."""
    for name in ("home", "tmp", "here", "watch"):
        (tmp_path / name).mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    furnish(tmp_path / "here")
    for name in ("json", "torch", "numpy", "yaml", "paretune"):
        (tmp_path / "here" / f"{name}.py").write_text("raise SystemExit('a neighbour was imported')\n")
    return tmp_path


def run(fresh: Path, *argv: str) -> list[str]:
    """Run the command as installed, with its network on; what it tried."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(fresh / "home"), "TMPDIR": str(fresh / "tmp"),
        "PYTHONPATH": str(fresh / "watch"), "PYTHONDONTWRITEBYTECODE": "1", "WATCHED": str(fresh / "watched"),
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = [str(Path(sys.executable).with_name("paretune")), *argv]
    done = subprocess.run(
        command, cwd=fresh / "here", env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return (fresh / "watched").read_text().splitlines() if (fresh / "watched").exists() else []


def test_a_run_on_local_things_writes_its_folder_and_talks_to_nobody(model: str, fresh: Path) -> None:
    before = files(fresh)
    every = ["--save_strategy", "steps", "--save_steps", "1", "--eval_strategy", "steps", "--eval_steps", "1"]
    assert run(fresh, "train", *flags(model, *every, "--max_steps", "1", "--output_dir", "../run")) == []
    after = files(fresh)
    assert {path: after.get(path) for path in before} == before
    new = after.keys() - before.keys()
    assert {path for path in new if not path.startswith(("run/", CACHES))} == set()
    of_run = {path.removeprefix("run/") for path in new if path.startswith("run/")}
    ours = {path for path in of_run if not path.startswith("checkpoint-1/")}
    # README.md is the model card that TRL writes.
    assert ours == {".lock", "README.md", "completions.jsonl", "evaluations.jsonl", "report.html", "run.json",
                    "steps.jsonl"}  # fmt: skip
    for name in ours:
        if name.endswith(".json"):
            json.loads((fresh / "run" / name).read_text())
        if name.endswith(".jsonl"):
            assert read_lines(fresh / "run" / name)
    pickles = {"optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"}  # transformers' own
    assert {path for path in of_run if Path(path).suffix in (".pt", ".pth", ".bin", ".pkl")} == {
        f"checkpoint-1/{name}" for name in pickles
    }
    json.loads((fresh / "run" / "checkpoint-1" / "paretune.json").read_text())


@pytest.mark.slow
def test_several_processes_import_no_neighbour_either(model: str, fresh: Path) -> None:
    several = ["--num_processes", "2", "--cpu", "--per_device_train_batch_size", "4"]
    tried = run(fresh, "train", *flags(model, *several, "--max_steps", "1", "--output_dir", "../run"))
    assert (fresh / "run" / "report.html").exists()
    addresses = [line for line in tried if line.startswith(("socket.connect", "socket.sendto"))]
    assert all("127.0.0.1" in line or "'::1'" in line or "localhost" in line for line in addresses), addresses


# --- folders that are handed on ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["notes.txt", "additional_chat_templates/tool.jinja"])
def test_a_link_out_of_a_checkpoint_is_not_followed(name: str, model: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of somebody else")
    checkpoint = Path(shutil.copytree(model, tmp_path / "checkpoint-1"))
    (checkpoint / name).parent.mkdir(exist_ok=True)
    (checkpoint / name).symlink_to(tmp_path / "secret")
    with pytest.raises(ExportError, match="is a link out of the checkpoint: put the file itself in its place"):
        export(checkpoint, tmp_path / "picked", "a card")
    assert not (tmp_path / "picked").exists()
