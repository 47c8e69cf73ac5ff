"""Tasks of one's own that cannot be used: what is wrong is said in one line, before anything is written."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Refused = Callable[..., str]
TASKS = """
import sys
from functools import partial

from datasets import Dataset

from paretune import Objective, Task

ROWS = Dataset.from_dict({"prompt": ["1+1="] * 8, "answer": ["2"] * 8})
NONE = Dataset.from_dict({"prompt": []})


def digits(completions, **_):
    return [0.0] * len(completions)


def narrow(completions):
    return [0.0] * len(completions)


def made(train=ROWS, validation=ROWS, test=ROWS, objectives=None, **more):
    return Task("mine", train, validation, test, objectives or [Objective("digits", digits, bounds=(0, 1))], **more)


number = 3
task = made()
def no_data(): return made()
def raises(): raise RuntimeError("the server\\nis down")
def exits(): sys.exit(0)
def nothing(): return None
async def later(): return made()
in_part = partial(made, ROWS)
def wants(folder): return made()
def wants_data(data): return made()
def empty(): return made(train=NONE)
def rows(): return made(validation=[{"prompt": "1+1="}])
def unasked(): return made(test=ROWS.rename_column("prompt", "question"))
def taken(): return made(train=ROWS.rename_column("answer", "completions"))
def plain_reward(): return made(objectives=[digits])
def loose_gate(): return made(objectives=[Objective("digits", digits, gate=("length", 1))])
def narrow_reward(): return made(objectives=[Objective("digits", narrow)])
def narrow_metric(): return made(objectives=[Objective("digits", digits, metric=narrow)])
def unset(): return made(settings=None)
def misspelled(): return made(settings={"max_stepz": 3})
def foreign(): return made(settings={"rule": "nash"})
def mistyped(): return made(settings={"max_steps": "many"})
def beyond(): return made(settings={"learning_rate": -1.0})
def train_alone(): return made(validation=None, test=None, model="/nowhere/policy")
def nameless(): return Task(" ", ROWS, None, None, [Objective("digits", digits)])
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.split("_")[0] == "own"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "own_tasks.py").write_text(TASKS)
    (tmp_path / "one.csv").write_text("prompt\n1+1=\n")
    (tmp_path / "causal").mkdir()
    (tmp_path / "causal" / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (tmp_path / "own_torn.py").write_text("def task(:\n")
    (tmp_path / "own_rewards.py").write_text(TASKS.partition("number = 3")[0])
    return tmp_path


CASES: list[tuple[str, str]] = [
    ("own_nowhere:task", "No module named 'own_nowhere'"),
    ("own_nowhere.py:task", "there is no file"),
    ("own_torn.py:task", "SyntaxError"),
    ("own_tasks.py", "unknown task 'own_tasks.py'"),
    ("own_tasks:", "unknown task 'own_tasks:'"),
    ("own_tasks.py:letters", "has no attribute 'letters'"),
    ("own_tasks.py:number", "'own_tasks.py:number' is of type int: name a paretune.Task, or a function"),
    ("own_tasks.py:Task", "'own_tasks.py:Task' is the class Task: name a paretune.Task, or a function"),
    ("own_tasks:raises", "'own_tasks:raises' raised RuntimeError: the server is down"),
    ("own_tasks:exits", "'own_tasks:exits' raised SystemExit: 0"),
    ("own_tasks:nothing", "must return a paretune.Task, got a value of type NoneType"),
    ("own_tasks:later", "must return a paretune.Task, got a value of type coroutine"),
    ("own_tasks:wants", "raised TypeError: wants() missing 1 required positional argument: 'folder'"),
    ("own_tasks:wants_data", "'own_tasks:wants_data' needs data: give --data, or give its argument `data` a default"),
    ("own_tasks:empty", "The train split of task 'mine' is empty"),
    ("own_tasks:rows", "The validation split of task 'mine' is of type list: give a datasets.Dataset"),
    ("own_tasks:unasked", "test split of task 'mine' has the columns ['question', 'answer']: add a column 'prompt'"),
    ("own_tasks:taken", "the train split of mine has a column 'completions', which rewards get from TRL: rename it"),
    ("own_tasks:plain_reward", "among its objectives: give paretune.Objective(name, reward)"),
    ("own_tasks:loose_gate", "do not fit together: `gate` of 'digits' names 'length'"),
    ("own_tasks:narrow_reward", "the reward of 'digits' cannot be called as rewards are"),
    ("own_tasks:narrow_metric", "the metric of 'digits' cannot be called as rewards are"),
    ("own_tasks:nameless", "`name` of a task must be a text"),
    ("own_tasks:task", "the task mine names no model: give --model_name_or_path"),
    ("own_tasks:unset", "`settings` of task 'mine' must be a mapping, got None"),
    ("own_tasks:misspelled", "the settings of mine: unknown setting 'max_stepz': did you mean max_steps?"),
    ("own_tasks:foreign", "the settings of mine: rule is no setting of training"),
    ("own_tasks:mistyped", "the settings of mine: max_steps expects a whole number, got 'many'"),
    ("own_tasks:beyond", "--learning_rate must be 0 or more, got -1.0"),
    ("own_tasks:train_alone", "the model /nowhere/policy is neither a local folder"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), CASES, ids=[name for name, _ in CASES])
def test_tasks(name: str, expected: str, refused: Refused, place: Path) -> None:
    before = sorted(place.iterdir())
    assert expected in refused("train", "--task", name)
    assert [path for path in sorted(place.iterdir()) if path.name != "__pycache__"] == before


FLAGS: list[tuple[list[str], str]] = [
    (["--task", "own_tasks:task", "--data", "x"], "'own_tasks:task' is a task with data of its own: leave out --data"),
    (["--task", "own_tasks:no_data", "--data", "x"], "'own_tasks:no_data' takes no data: leave out --data"),
    (["--task", "own_tasks:in_part", "--data", "x"], "'own_tasks:in_part' takes no data: leave out --data"),
    (["--task", "own_tasks:task", "--unsafe_no_sandbox"], "runs no programs: leave out unsafe_no_sandbox"),
    (["--task", "recall", "--dataset_name", "x"], "--dataset_name goes with --reward_funcs: a task has its own data"),
    (["--validation_share", "0.2"], "--validation_share goes with --reward_funcs"),
    (["--reward_funcs", "own_rewards:digits", "--data", "x"], "--data goes with --task"),
    (["--reward_funcs", "own_rewards:digits"], "--reward_funcs needs --dataset_name too"),
    (["--reward_funcs", "own_rewards:digits", "--dataset_name", "rows.jsonl"], "there is no such file or folder"),
    (["--reward_funcs", "own_rewards:digits", "--dataset_name", "one.csv", "--dataset_config", "x"], "leave it out"),
    (["--reward_funcs", "causal", "--dataset_name", "one.csv"], "causal: LlamaForCausalLM is a language model"),
]


@pytest.mark.parametrize(("flags", "expected"), FLAGS, ids=[" ".join(flags) for flags, _ in FLAGS])
@pytest.mark.parametrize("command", [["train"], ["check"], ["compare", "--output_dir", "question"]], ids=lambda c: c[0])
def test_what_does_not_go_together(
    command: list[str], flags: list[str], expected: str, refused: Refused, place: Path
) -> None:
    assert expected in refused(*command, *flags)
    assert not (place / "question").exists()


def test_a_task_without_splits_that_something_evaluates(refused: Refused, place: Path, tiny_model: str) -> None:
    own = ["--task", "own_tasks:train_alone", "--model_name_or_path", tiny_model]
    for command in (["train", "--eval_strategy", "steps", "--eval_steps", "1"], ["check"]):
        assert "mine has no validation split, and something is evaluated" in refused(*command, *own)
    grid = ["--eval_strategy", "steps", "--eval_steps", "1", "--output_dir", "question", "--rules", "nash"]
    assert "mine has no validation split, and something is evaluated" in refused("compare", *own, *grid)
    assert not (place / "question").exists()


SUM = '{"prompt": "1+1="}\n'
FILES: list[tuple[str, str, list[str], str]] = [
    ("empty.jsonl", "", [], "cannot load the data set empty.jsonl"),
    ("torn.jsonl", SUM + '{"prom', [], "cannot load the data set torn.jsonl: JSON parse error"),
    ("torn.json", "[{", [], "cannot load the data set torn.json"),
    ("torn.csv", 'prompt,a\n"1+1=,2\n', [], "EOF inside string"),
    ("torn.parquet", "PAR1xxxxx", [], "cannot load the data set torn.parquet"),
    ("question.jsonl", '{"question": "1+1="}\n', [], "has the columns ['question']: add a column 'prompt'"),
    ("header.csv", "prompt\n", [], "cannot load the data set header.csv: a file of it is empty"),
    ("sums.txt", SUM, [], "--dataset_name sums.txt: a data file ends in .parquet, .jsonl, .json, .csv"),
    ("sums.jsonl", SUM * 4, ["--dataset_train_split", "all"], "the data set sums.jsonl has no split 'all'"),
    ("sums.jsonl", SUM * 4, ["--validation_share", "0"], "--validation_share must be above 0 and below 1, got 0"),
    ("sums.jsonl", SUM * 4, ["--validation_share", "1"], "--validation_share must be above 0 and below 1, got 1"),
    ("sums.jsonl", SUM * 4, ["--validation_share", "nan"], "--validation_share must be a finite number, got nan"),
    ("sums.jsonl", SUM * 2, ["--validation_share", "0.9"], "of the 2 rows of sums.jsonl leaves none to train on"),
    ("data/validation.jsonl", SUM * 4, ["--validation_share", "0.2"], "has a split 'validation' already"),
]


@pytest.mark.parametrize(
    ("name", "content", "flags", "expected"), FILES, ids=[f"{n} {' '.join(f)}" for n, _, f, _ in FILES]
)
def test_data_files(
    name: str, content: str, flags: list[str], expected: str, refused: Refused, place: Path, tiny_model: str
) -> None:
    file = place / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    data = name
    if file.parent != place:
        (file.parent / "train.jsonl").write_text(content)
        data = "data"
    own = ["--reward_funcs", "own_rewards:digits", "--dataset_name", data, "--model_name_or_path", tiny_model]
    assert expected in refused("train", *own, *flags)
