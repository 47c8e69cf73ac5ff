"""Rules in ms-swift, which trains for real: in an environment of its own, since it wants an older TRL than ours."""

import json
from pathlib import Path
from typing import Any

import pytest

from integrations.environments import ROOT, made, run
from integrations.test_core import NAMES, TABLE, through_core
from paretune.weighting import RULES
from policies import saved_policy

pytestmark = pytest.mark.slow

EXAMPLE = ROOT / "examples" / "swift"
MOVING = ("nash", "tour", "gdpo")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("environment"), EXAMPLE / "requirements.txt")


@pytest.fixture(scope="module")
def runs(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder for each training of swift_runs.py."""
    folder = tmp_path_factory.mktemp("runs")
    saved_policy(folder / "policy")
    settings = folder / "policy" / "tokenizer_config.json"
    template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "chat_template": template}))
    rows = [{"messages": [{"role": "user", "content": f"{i}+{i + 3}="}]} for i in range(16)]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "table.json").write_text(json.dumps(TABLE.tolist()))
    run([environment / "python", Path(__file__).with_name("swift_runs.py"), folder], folder)
    return folder


def steps(training: Path) -> list[dict[str, Any]]:
    """The log's lines of steps, without what time they took."""
    lines = [json.loads(line) for line in (training / "logging.jsonl").read_text().splitlines()]
    timed = ("time", "speed")
    return [{key: v for key, v in line.items() if not any(t in key for t in timed)} for line in lines if "loss" in line]


def weights(training: Path) -> list[list[float]]:
    return [[value for key, value in line.items() if key.startswith("weights/")] for line in steps(training)]


def policy(checkpoint: Path) -> bytes:
    return (checkpoint / "model.safetensors").read_bytes()


def test_with_equal_fixed_weights_training_is_swifts(runs: Path) -> None:
    theirs, ours = steps(runs / "stock"), steps(runs / "fixed")
    assert len(theirs) == 4
    assert theirs == [{key: v for key, v in line.items() if not key.startswith("weights/")} for line in ours]
    assert policy(runs / "fixed/checkpoint-4") == policy(runs / "stock/checkpoint-4")
    assert policy(runs / "stock/checkpoint-2") != policy(runs / "stock/checkpoint-4")


@pytest.mark.parametrize("rule", MOVING)
def test_a_rule_trains_and_goes_on_from_a_checkpoint(rule: str, runs: Path) -> None:
    whole, resumed = runs / rule, runs / f"{rule}_resumed"
    found = weights(whole)
    assert [sum(step) for step in found] == pytest.approx([1.0] * 4)
    assert (found[0] != found[3]) == (rule != "gdpo")  # whose weights are its priorities: it makes the advantages
    assert steps(resumed)[-2:] == steps(whole)[-2:]
    assert policy(resumed / "checkpoint-4") == policy(whole / "checkpoint-4") != policy(runs / "stock/checkpoint-4")
    state = "checkpoint-4/weighting.json"
    assert (resumed / state).read_text() == (whole / state).read_text()


@pytest.mark.parametrize("rule", MOVING)
def test_the_same_rewards_give_the_same_weights_as_elsewhere(rule: str, runs: Path) -> None:
    here = weights(runs / f"{rule}_table")
    assert len(here[0]) == len(NAMES)
    assert here == [pytest.approx(step, abs=1e-8) for step in through_core(RULES[rule]())]  # it logs eight digits


def test_the_example_trains(environment: Path, tmp_path: Path) -> None:
    """By the command of the documentation."""
    run([environment / "python", EXAMPLE / "prepare.py"], tmp_path)
    page = (ROOT / "docs" / "integrations" / "swift.md").read_text()
    command = page[page.index("swift rlhf --") :].split("```")[0].replace("\\\n", " ")
    program, *words = command.replace("plugin.py", str(EXAMPLE / "plugin.py")).split()
    shorter = ["--max_steps", "2", "--output_dir", "out", "--add_version", "false"]
    run([environment / program, *words, *shorter], tmp_path)
    found = weights(tmp_path / "out")
    assert len(found) == 2
    assert all(0 < weight < 1 for step in found for weight in step)
