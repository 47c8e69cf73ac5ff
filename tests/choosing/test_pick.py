"""Choosing from fronts whose best points are known, and exporting a tiny real policy."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from fronts import LEFT_BY_TRAINING, OBJECTIVES, POINTS, checkpoint, rewrite, run
from paretune.choosing import model_folder
from paretune.choosing.model_card import escape, model_card
from paretune.choosing.model_folder import ExportError, export
from paretune.choosing.pick import (
    Condition,
    Fronts,
    PickError,
    Point,
    Wish,
    at_least,
    choose,
    read_fronts,
)
from paretune.record.entries import Objective
from policies import policy, saved_policy, tokenizer

AXES = [Objective("accuracy", True, (0.0, 1.0)), Objective("conciseness", False, (0.0, 60.0))]


def fronts(points: dict[int, tuple[float, ...]] | None = None, kept: Any = True) -> Fronts:
    """A run's front in memory; `kept` are the steps that have a checkpoint."""
    points = dict(POINTS) if points is None else points
    names = [axis.name for axis in AXES]
    return Fronts(
        AXES,
        [
            Point(
                run=Path("run"), step=step, metrics=dict(zip(names, values, strict=True)),
                errors={}, checkpoint=Path("c") if kept is True or step in kept else None, test={},
            )
            for step, values in points.items()
        ],
        [],
    )  # fmt: skip


# --- choosing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preference", "step"),
    [
        ({"accuracy": 1.0}, 30),
        ({"conciseness": 1.0}, 0),
        ({"accuracy": 1.0, "conciseness": 1.0}, 0),  # 0.55 as at 10, 0.5, 0.5: of equals the earlier one
        ({"accuracy": 2.0, "conciseness": 1.0}, 30),  # 0.467, 0.533, 0.533, 0.633
        ({"accuracy": 0.6, "conciseness": 0.4}, 30),  # 0.5, 0.54, 0.52, 0.58
        ({"accuracy": 3.0, "conciseness": 2.9}, 10),  # 0.5458, 0.5492, 0.5017, 0.5068
        ({}, 10),  # 0.24, 0.30, 0.24, 0.09
    ],
)
def test_the_best_by_preference(preference: dict[str, float], step: int) -> None:
    assert choose(fronts(), Wish(preference, [])).point.step == step


@pytest.mark.parametrize(
    ("conditions", "step"),
    [
        ([at_least(AXES[0], 0.55)], 20),  # 0.24 against 0.09
        ([at_least(AXES[0], 0.6)], 20),  # a threshold is met by what equals it
        ([at_least(AXES[1], 12.0)], 0),  # at least as good: 12 tokens or fewer
        ([Condition("conciseness", "≤", 12.0)], 0),
        ([Condition("accuracy", "≤", 0.4)], 0),
        ([at_least(AXES[0], 0.4), at_least(AXES[1], 30.0)], 10),
    ],
)
def test_thresholds(conditions: list[Condition], step: int) -> None:
    choice = choose(fronts(), Wish({}, conditions))
    assert choice.point.step == step
    assert all(condition.holds(choice.point.metrics) for condition in conditions)


def test_of_those_that_meet_the_thresholds_the_best_by_preference() -> None:
    wish = Wish({"accuracy": 1.0}, [at_least(AXES[1], 40.0)])
    choice = choose(fronts(), wish)
    assert choice.point.step == 20
    assert [point.step for point in choice.candidates] == [20, 10, 0, 30]  # what does not fit comes last


def test_thresholds_that_nothing_meets() -> None:
    wish = Wish({}, [at_least(AXES[0], 0.8), at_least(AXES[1], 20.0)])
    with pytest.raises(PickError, match=r"accuracy ≥ 0.8 \(the best is 0.9\) and conciseness ≤ 20 \(the best is 12\)"):
        choose(fronts(), wish)


def test_a_point_without_checkpoint_is_named_and_passed_over() -> None:
    choice = choose(fronts(kept={0, 20}), Wish({"accuracy": 2.0, "conciseness": 1.0}, []))
    assert choice.point.step == 20
    assert [point.step for point in choice.better] == [30, 10]  # 10 scores as 20 does, and gains more in all
    with pytest.raises(PickError, match="none of the 4 on the front has a checkpoint: train with save_steps"):
        choose(fronts(kept=()), Wish({}, []))
    with pytest.raises(PickError, match="none of the 1 on the front that meet the conditions has a checkpoint"):
        choose(fronts(kept={0}), Wish({}, [at_least(AXES[0], 0.7)]))


def test_beyond_the_bounds_all_is_one() -> None:
    both = fronts({0: (0.5, -5.0), 1: (0.5, 0.0)})
    assert choose(both, Wish({"conciseness": 1.0}, [])).point.step == 0
    assert [axis.gain(value) for axis, value in zip(AXES, (1.5, 99.0), strict=True)] == [1.0, 0.0]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 60)), min_size=1, max_size=12),
    st.tuples(st.floats(0, 5), st.floats(0, 5)),
)
def test_no_point_is_better_than_the_pick(points: list[tuple[float, float]], weights: tuple[float, float]) -> None:
    of = fronts(dict(enumerate(points)))
    wish = Wish(dict(zip(("accuracy", "conciseness"), weights, strict=True)) if any(weights) else {}, [])
    choice = choose(of, wish)
    best = wish.score(of.objectives, choice.point.metrics)
    assert all(wish.score(of.objectives, point.metrics) <= best + 1e-11 for point in of.points)
    assert 0 <= best <= 1


# --- reading ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


def test_a_run_as_it_stands_on_disk(model: str, tmp_path: Path) -> None:
    run(tmp_path, kept=[10, 30], model=model, tested={10: (0.45, 25.0)})
    found = read_fronts(tmp_path)
    assert found.objectives == AXES
    assert [point.step for point in found.points] == [0, 10, 20, 30]
    assert [point.checkpoint for point in found.points] == [
        None, tmp_path / "checkpoint-10", None, tmp_path / "checkpoint-30",
    ]  # fmt: skip
    assert found.points[1].errors == {"accuracy": 0.01, "conciseness": 0.01}
    assert found.points[1].test["sampled"].metrics == {"accuracy": 0.45, "conciseness": 25.0}
    assert found.points[2].test == {}


def test_several_runs_have_one_front(model: str, tmp_path: Path) -> None:
    run(tmp_path / "a", {10: (0.5, 24.0), 20: (0.6, 36.0)}, kept=[10, 20], model=model)
    run(tmp_path / "b", {10: (0.6, 30.0)}, kept=[10], model=model)  # dominates a's second
    run(tmp_path / "tuning" / "c", {10: (1.0, 0.0)}, kept=[10], model=model)  # is no run of the comparison itself
    run(tmp_path / "d", {})
    (run(tmp_path / "e") / "pareto.json").unlink()
    found = read_fronts(tmp_path)
    assert [(point.run.name, point.step) for point in found.undominated] == [("a", 10), ("b", 10)]
    assert [line.split(":")[0].split("/")[-1] for line in found.left_out] == ["d was never evaluated", "e has no front"]
    choice = choose(found, Wish({"accuracy": 1.0}, []))
    assert (choice.point.run.name, choice.point.step) == ("b", 10)
    assert [(point.run.name, point.step) for point in choice.candidates] == [("b", 10), ("a", 10)]


def test_a_dominated_point_is_picked_where_its_better_has_no_checkpoint(model: str, tmp_path: Path) -> None:
    run(tmp_path / "a", {20: (0.6, 36.0)}, kept=[20], model=model)
    run(tmp_path / "b", {10: (0.6, 30.0)})
    choice = choose(read_fronts(tmp_path), Wish({}, []))
    assert choice.point.run.name == "a"
    assert [point.run.name for point in choice.better] == ["b"]
    assert [point.run.name for point in choice.candidates] == ["b", "a"]


def test_runs_of_different_objectives_are_not_mixed(tmp_path: Path) -> None:
    run(tmp_path / "a")
    wider = [OBJECTIVES[0], {**OBJECTIVES[1], "bounds": [0.0, 90.0]}]
    run(tmp_path / "b", objectives=wider)
    with pytest.raises(PickError, match="b has other objectives, or other bounds of them, than"):
        read_fronts(tmp_path)


@pytest.mark.parametrize(
    ("file", "fields", "expected"),
    [
        ("pareto.json", {"points": [{"step": 1}]}, "points[0] lacks 'metrics'"),
        ("pareto.json", {"points": [{"step": 1, "metrics": {"accuracy": 1}}]}, "points[0] lacks 'conciseness'"),
        (
            "pareto.json",
            {"points": [{"step": "x", "metrics": {}}]},
            "step must be a whole number",
        ),
        ("pareto.json", {"points": [7]}, "points[0] must be an object, got 7"),
        ("run.json", {"objectives": [{"name": "accuracy"}]}, "it lacks 'maximize'"),
        (
            "run.json",
            {"objectives": [{**OBJECTIVES[0], "bounds": [1, 1]}]},
            "low below high, got [1, 1]",
        ),
        ("run.json", {"schema": 9}, "schema 9"),
    ],
)
def test_a_broken_record_is_named(file: str, fields: dict[str, Any], expected: str, tmp_path: Path) -> None:
    run(tmp_path)
    rewrite(tmp_path / file, **fields)
    with pytest.raises(PickError, match="is broken") as raised:
        read_fronts(tmp_path)
    assert expected in str(raised.value)


def test_records_of_older_versions(model: str, tmp_path: Path) -> None:
    run(tmp_path, kept=[10], model=model)
    (tmp_path / "evaluations.jsonl").write_text('{"step": 10}\n')
    (tmp_path / "final_evaluations.jsonl").write_text('{"step": 10, "split": "test"}\n{"step": 10}\n')
    choice = choose(read_fronts(tmp_path), Wish({}, []))
    assert "± " not in model_card(choice, "x").split("## The run")[0].replace("± standard", "")


# --- the exported folder ----------------------------------------------------------------------------------


def test_the_folder_is_an_ordinary_model(model: str, tmp_path: Path) -> None:
    run(tmp_path / "run", kept=[10], model=model)
    (tmp_path / "run" / "checkpoint-10" / "additional_chat_templates").mkdir()
    (tmp_path / "run" / "checkpoint-10" / "additional_chat_templates" / "tool.jinja").write_text("")
    (tmp_path / "run" / "checkpoint-10" / "global_step10").mkdir()  # DeepSpeed's shards
    export(tmp_path / "run" / "checkpoint-10", tmp_path / "deep" / "picked", "card")
    found = {path.name for path in (tmp_path / "deep" / "picked").iterdir()}
    assert found.isdisjoint(set(LEFT_BY_TRAINING) - {"README.md"})
    assert found == {path.name for path in Path(model).iterdir()} | {"README.md", "additional_chat_templates"}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["picked"]
    loaded, info = AutoModelForCausalLM.from_pretrained(tmp_path / "deep" / "picked", output_loading_info=True)
    assert not any(info.values())
    for name, weight in policy().state_dict().items():
        assert torch.equal(weight, loaded.state_dict()[name])
    read = AutoTokenizer.from_pretrained(tmp_path / "deep" / "picked")
    assert read("12+30=")["input_ids"] == tokenizer()("12+30=")["input_ids"]


def test_an_adapter_stays_an_adapter(model: str, tmp_path: Path) -> None:
    base = AutoModelForCausalLM.from_pretrained(model)
    adapted = get_peft_model(base, LoraConfig(target_modules=["q_proj"], init_lora_weights=False))
    adapted.save_pretrained(tmp_path / "adapter")
    tokenizer().save_pretrained(tmp_path / "adapter")
    run(tmp_path / "run", kept=[10], model=tmp_path / "adapter")
    choice = choose(read_fronts(tmp_path / "run"), Wish({}, []))
    export(tmp_path / "run" / "checkpoint-10", tmp_path / "picked", model_card(choice, "picked"))
    head = yaml.safe_load((tmp_path / "picked" / "README.md").read_text().split("---")[1])
    assert (head["library_name"], head["base_model"]) == ("peft", "org/base-model")
    assert "lora" in head["tags"]
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model), tmp_path / "picked")
    ids = torch.tensor([[3, 4, 5]])
    assert torch.equal(loaded(ids).logits, adapted(ids).logits)


def test_nothing_is_overwritten(model: str, tmp_path: Path) -> None:
    whole = checkpoint(tmp_path, 10, model)
    taken = tmp_path / "taken"
    taken.mkdir()
    with pytest.raises(ExportError, match="taken exists already"):
        export(whole, taken, "card")
    taken.rmdir()
    taken.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ExportError, match="exists already"):
        export(whole, taken, "card")


@pytest.mark.parametrize("removed", ["model.safetensors", "config.json"])
def test_what_from_pretrained_cannot_read_is_refused(removed: str, model: str, tmp_path: Path) -> None:
    whole = checkpoint(tmp_path, 10, model)
    (whole / removed).unlink()
    with pytest.raises(ExportError, match="holds no weights that from_pretrained reads"):
        export(whole, tmp_path / "picked", "card")
    assert not (tmp_path / "picked").exists()


def test_a_failure_leaves_nothing_behind(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = checkpoint(tmp_path / "run", 10, model)

    def full(source: Path, target: Path) -> None:
        if source.name.startswith("tokenizer"):
            raise OSError("No space left on device")
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr(model_folder.shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        export(whole, tmp_path / "picked", "card")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


# --- the card ---------------------------------------------------------------------------------------------

HOSTILE = "x|y`<script>alert(1)</script>*_[a](javascript:alert(1)) ![i](http://h/i.png)\n# {{7*7}} $z$ ~~s~~ \\"


def html_of(card: str) -> str:
    text = card.split("---\n", 2)[2]
    return str(MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table").render(text))


def card_of(directory: Path, wish: Wish = Wish({}, [])) -> str:  # noqa: B008 (it is frozen)
    return model_card(choose(read_fronts(directory), wish), "picked")


def test_the_card_says_what_was_picked_and_how(model: str, tmp_path: Path) -> None:
    settings = {
        "learning_rate": 1e-3, "hub_token": "hf_secret", "deepspeed": "/home/me/zero.json", "dtype": "C:\\models\\a",
    }  # fmt: skip
    rule = {"name": "gradient", "settings": {}, "paper": "A title, arXiv 2509.11452"}
    run(tmp_path / "r", kept=[20], model=model, tested={20: (0.55, 39.0)}, settings=settings, rule=rule)
    wish = Wish({"accuracy": 2.0, "conciseness": 1.0}, [at_least(AXES[1], 58.0)])
    card = card_of(tmp_path / "r", wish)
    head = yaml.safe_load(card.split("---")[1])
    assert head == {
        "library_name": "transformers", "base_model": "org/base-model", "pipeline_tag": "text-generation",
        "tags": ["paretune", "trl", "grpo"],
    }  # fmt: skip
    assert "The rule gradient of paretune set the weights of the rewards in every batch (paper: A title, arXiv " in card
    assert "It had to meet conciseness ≤ 58." in card
    assert "weighted mean (accuracy 2, conciseness 1)" in card
    assert "Its score is 0.5333." in card
    assert "step 30 is better (0.6333) but its checkpoint was not kept." in card
    rows = re.findall(r"<tr>\s*(.*?)</tr>", html_of(card), re.DOTALL)
    front = [re.sub(r"<[^>]+>|\s+", " ", row).split() for row in rows if "step " in row]
    assert [row[:2] for row in front] == [["step", s] for s in ("30", "10", "20", "0", "20")]
    picked = [row for row in rows if "<strong>" in row]
    assert "picked" in picked[0]
    assert "0.600 ± 0.010" in picked[0]
    assert "0.550 ± 0.020" in picked[1]
    assert "On the test set (sampled, 256 completions at temperature 1.0)" in card
    told = json.loads(card.split("```json")[1].split("```")[0])
    assert told["settings"] == {"learning_rate": 1e-3, "deepspeed": "zero.json", "dtype": "a"}
    assert told["seed"] == 3


def test_a_local_base_is_no_hub_model(model: str, tmp_path: Path) -> None:
    run(tmp_path / "r", kept=[10], model=model)
    rewrite(tmp_path / "r" / "run.json", model=str(tmp_path / "my-base"))
    card = card_of(tmp_path / "r")
    assert "base_model" not in yaml.safe_load(card.split("---")[1])
    assert "a local model named my-base" in card
    assert str(tmp_path) not in card


def test_hostile_names_do_nothing_in_the_card(model: str, tmp_path: Path) -> None:
    objectives = [{**OBJECTIVES[0], "name": HOSTILE}, OBJECTIVES[1]]
    bad = re.sub(r"[/\n\0]", "_", HOSTILE)[:80]
    directory = run(
        tmp_path / bad, objectives=objectives, kept=[10], model=model, tested={10: (0.4, 20.0)},
        algorithm=HOSTILE, task="```\n<script>", settings={"x": "```\n</script>"},
        rule={"name": HOSTILE, "paper": HOSTILE},
    )  # fmt: skip
    rewrite(directory / "run.json", model=HOSTILE)
    card = card_of(directory, Wish({HOSTILE: 1.0}, [Condition(HOSTILE, "≤", 0.5)]))
    yaml.safe_load(card.split("---\n")[1])
    html = html_of(card)
    for element in ("<script", "<a ", "<img", "<em>"):
        assert element not in html
    assert len(re.findall("<h1", html)) == 1
    assert html.count("<code") == 1  # the run's settings
    shown = " ".join(HOSTILE.split("\n"))
    text = html.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert shown in text  # as it is, in a heading's or a table's cell


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_escaped_text_is_shown_as_it_is(text: str) -> None:
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(f"| a |\n| --- |\n| x{escape(text)}x |\n")
    [cell] = re.findall(r"<td>(.*?)</td>", html, re.DOTALL)
    back = cell.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    assert back == "x" + "".join(c if c.isprintable() else " " for c in text) + "x"
