"""Rules in verl's V1 trainer, by verl's own modules and queue, in an environment of its own.

No policy generates or is trained here: verl needs vLLM or SGLang on GPUs for it.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from integrations.environments import ROOT, made, run
from integrations.test_core import GENERATIONS, NAMES, PROMPTS, STEPS, TABLE, shown, through_core
from paretune.weighting import RULES

pytestmark = pytest.mark.slow

MOVING = ("nash", "tour", "gdpo")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what verl_runs.py writes of each training."""
    environment = made(tmp_path_factory.mktemp("environment"), ROOT / "examples" / "verl" / "requirements.txt")
    folder = tmp_path_factory.mktemp("runs")
    (folder / "table.json").write_text(json.dumps(TABLE.tolist()))
    run([environment / "python", Path(__file__).with_name("verl_runs.py"), folder], folder)
    return folder


def read(runs: Path, name: str) -> Any:
    return json.loads((runs / f"{name}.json").read_text())


def of_rows(step: dict[str, Any], field: str) -> dict[str, list[float]]:
    """A field's tokens by the rows' keys; ``{uid}_{session}_{output}``, or a padding row's."""
    return dict(zip(step["keys"], step[field], strict=True))


def without_padding(step: dict[str, Any]) -> dict[str, Any]:
    """Padding rows have keys by chance, and the log NaN from nothing of ours."""
    fields = ("advantages", "returns", "rm_scores")
    return {f: {key: row for key, row in of_rows(step, f).items() if not key.startswith("pad")} for f in fields}


def weights(step: dict[str, Any]) -> list[float]:
    return [step["metrics"][f"weights/{name}"] for name in NAMES]


@pytest.mark.parametrize("variant", ["grpo", "unscaled", "rloo", "kl"])
def test_with_equal_fixed_weights_the_advantages_are_verls(variant: str, runs: Path) -> None:
    stock, none, fixed = (read(runs, f"{name}_{variant}") for name in ("stock", "none", "fixed"))
    assert len(stock) == STEPS
    for theirs, asleep, ours in zip(stock, none, fixed, strict=True):
        assert without_padding(theirs) == without_padding(asleep) == without_padding(ours)
        assert theirs["metrics"] == asleep["metrics"]
        assert ours["metrics"] == {**theirs["metrics"], "weights/first": 0.5, "weights/second": 0.5}
        assert any(any(row) for row in theirs["advantages"])


@pytest.mark.parametrize("rule", MOVING)
def test_the_same_rewards_give_the_same_weights_as_elsewhere(rule: str, runs: Path) -> None:
    steps = read(runs, rule)
    found = [weights(step) for step in steps]
    assert found == through_core(RULES[rule]())
    assert (found[0] != found[-1]) == (rule != "gdpo")  # whose weights are its priorities: it makes the advantages
    assert any(name.startswith("signals/") for name in steps[-1]["metrics"]) == (rule != "gdpo")


@pytest.mark.parametrize("rule", MOVING)
def test_scores_are_weighted_sums_and_padding_has_none(rule: str, runs: Path) -> None:
    for step, table in zip(read(runs, rule), TABLE, strict=True):
        scores, advantages = of_rows(step, "rm_scores"), of_rows(step, "advantages")
        padding = [key for key in scores if key.startswith("pad")]
        assert len(padding) == 2
        assert all(not any(scores[key]) and not any(advantages[key]) for key in padding)
        for key in set(scores) - set(padding):
            prompt, completion, _ = map(int, key.removeprefix("prompt_").split("_"))
            rewards = table[prompt, completion]
            expected = 0.0 if rewards.isinf().any() else (rewards * torch.tensor(weights(step))).nansum().item()
            assert scores[key] == [0.0] * (len(scores[key]) - 1) + [pytest.approx(expected)]


def advantages_of_core() -> list[Tensor]:
    found = []
    for weigher in shown(RULES["gdpo"]()):
        own = weigher.advantages()
        assert own is not None
        found.append(own.view(PROMPTS, GENERATIONS))
    return found


def test_a_rules_own_advantages_take_the_place_of_verls(runs: Path) -> None:
    for step, own in zip(read(runs, "gdpo"), advantages_of_core(), strict=True):
        assert step["returns"] == step["advantages"]
        rows = without_padding(step)["advantages"]
        assert len(rows) == PROMPTS * GENERATIONS + 1  # a completion of two outputs
        for key, row in rows.items():
            prompt, completion, _ = map(int, key.removeprefix("prompt_").split("_"))
            assert row == [own[prompt, completion].item()] * len(row)


@pytest.mark.parametrize("rule", MOVING)
def test_a_checkpoint_holds_the_rules_state(rule: str, runs: Path) -> None:
    whole, again = read(runs, rule)[-1], read(runs, f"{rule}_resumed")
    assert without_padding(again) == without_padding(whole)
    assert again["metrics"] == whole["metrics"]
    assert (runs / f"{rule}_resumed" / "global_step_2" / "weighting.json").is_file()


def test_what_does_not_go_with_a_rule_is_refused_by_its_name(runs: Path) -> None:
    refusals = read(runs, "refusals")
    assert len(refusals) == 8
    for name, said in refusals.items():
        assert said is not None, name
        assert name in said.replace("Gradient", "gradient")
        assert "\n" not in said
