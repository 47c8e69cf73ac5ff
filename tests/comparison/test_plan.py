"""Plans of comparisons: what they may hold, and how one is widened."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from paretune.cli.config_files import read_config_files
from paretune.comparison.plan import CONTROLS, Arm, Plan, PlanError, arm_of, read_plan, write_plan
from paretune.record.json_lines import plain
from paretune.weighting import PRESETS, RULES

RECIPES = Path(__file__).parents[2] / "recipes" / "comparisons"
TWO = ({"weights": "0.5,0.5"}, {"weights": "0.9,0.1"})


NAMES = {"rules": RULES, "presets": PRESETS}


def arms(*names: str) -> list[Arm]:
    return [arm_of(name, {}, **NAMES) for name in names]


def one_line(raised: pytest.ExceptionInfo[PlanError]) -> str:
    message = str(raised.value)
    assert "\n" not in message
    return message


def same(a: Plan, b: Plan) -> bool:
    """Whether two plans say the same, whatever sequences they say it in."""
    return bool(plain(asdict(a)) == plain(asdict(b)))


# --- arms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings", "rule", "fixed"),
    [
        ("balanced", {"preset": "balanced"}, "fixed", True),
        ("gradient", {}, "gradient", False),
        ("nash", {}, "nash", False),
        ("fixed:0.6:0.3:0.1", {"weights": "0.6,0.3,0.1"}, "fixed", True),
        ("replay", {}, "fixed", False),
    ],
)
def test_arms_that_need_no_description(name: str, settings: dict[str, Any], rule: str, fixed: bool) -> None:
    (arm,) = arms(name)
    assert (arm.name, arm.settings, arm.rule, arm.is_fixed) == (name.replace(":", "-"), settings, rule, fixed)


def test_a_rule_is_an_arm_by_its_name_and_anyones_by_import_path() -> None:
    assert arm_of("nash", {}, ["nash", "gradient"]) == Arm("nash", "nash")
    assert arm_of("my.rules:Mine", {}) == Arm("Mine", "my.rules:Mine")
    assert arm_of("rules/my_rule.py:Mine", {}) == Arm("Mine", "rules/my_rule.py:Mine")
    assert arm_of("fixed:0.5:0.5", {}, ["fixed"]).weights == "0.5,0.5"


def test_a_description_comes_before_the_arm_of_the_same_name() -> None:
    described = {"gradient": {"rule": "gradient", "rule_settings": {"mu": 1e-3}}, "balanced": {"weights": "0.5,0.5"}}
    assert arm_of("gradient", described).settings == {"rule_settings": {"mu": 1e-3}}
    assert arm_of("balanced", described).settings == {"weights": "0.5,0.5"}
    assert arm_of("efficiency", described, **NAMES) == Arm("efficiency", preset="efficiency")


@pytest.mark.parametrize("name", ["nothing", "fixed", "fixed:", "fixed:a:b", "fixed:0.5,0.5", "", "Balanced", "../up"])
def test_an_arm_that_there_is_none_of(name: str) -> None:
    with pytest.raises(PlanError, match="choose from mine, average") as raised:
        arm_of(name, {"mine": {}})
    assert repr(name) in one_line(raised)
    assert "fixed:0.6:0.3:0.1" in one_line(raised)


@pytest.mark.parametrize(
    ("description", "complaint"),
    [
        ({"rulez": "gradient"}, "got an unexpected keyword argument 'rulez'"),
        ({"name": "other"}, "got multiple values for argument 'name'"),
        ({"control": "median", "of": "gradient"}, "control must be one of average, replay, random-walk"),
        ({"control": "average"}, "and `of` name an arm"),
        ({"of": "gradient"}, "control must be one of"),
        ({"control": "average", "of": "gradient", "configurations": TWO}, "it has no configurations"),
        ({"seeds": 0}, "seeds must be 1 or more, got 0"),
        ({"seeds": "ten"}, "not supported between"),
        ({"configurations": [{"mu": 1}]}, r"a configuration sets weights, preset, rule_settings; got \{'mu': 1\}"),
        ({"configurations": [{}]}, "a configuration sets"),
        ({"configurations": ["0.5,0.5"]}, "a configuration sets"),
        ({"configurations": 3}, "not iterable"),
        ({"control": "average", "of": "gradient", "configurations_of": "a"}, "it has no configurations"),
        ({"configurations": TWO, "configurations_of": "a"}, "its own configurations or those of another arm, not both"),
        ({"chosen_by": "beauty"}, "chosen_by must be one of hypervolume, geometric_mean, .*; got 'beauty'"),
    ],
)
def test_an_arm_described_wrongly(description: dict[str, Any], complaint: str) -> None:
    with pytest.raises(PlanError, match=complaint) as raised:
        arm_of("mine", {"mine": description})
    assert "'mine'" in one_line(raised)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "..", ".hidden", "-x", "a\n", "é", "a:b"])
def test_names_that_cannot_be_part_of_a_folder_s(name: str) -> None:
    with pytest.raises(PlanError, match="use letters, digits and") as raised:
        Arm(name)
    assert repr(name) in one_line(raised)


def test_a_configuration_joins_what_the_arm_sets() -> None:
    arm = Arm(
        "mine", "gradient", rule_settings={"method": "exact", "mu": 1.0}, configurations=({"rule_settings": {"mu": 2}},)
    )
    configured = arm.configured(arm.configurations[0])
    assert configured.settings == {"rule_settings": {"method": "exact", "mu": 2}}
    assert configured.configurations == ()
    assert replace(configured, rule_settings={}) == Arm("mine", "gradient")
    assert Arm("w", weights="1,0").configured({"weights": "0,1"}).settings == {"weights": "0,1"}


# --- plans --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"arms": []}, "needs rules, each named once; got none"),
        ({"arms": arms("balanced", "balanced")}, "each named once; got balanced, balanced"),
        ({"algorithms": []}, "needs algorithms, each named once; got none"),
        ({"algorithms": ["grpo", "rloo", "grpo"]}, "each named once; got grpo, rloo, grpo"),
        ({"seeds": []}, r"each once; got \[\]"),
        ({"seeds": [0, 1, 1]}, r"each once; got \[0, 1, 1\]"),
        ({"seeds": [-1, 1]}, "0 or more"),
        ({"tuning_seeds": [7, 7]}, r"each once; got \[7, 7\]"),
        ({"tuning_seeds": [1, 9]}, "Tuning seeds must be others than the comparison's"),
        ({"exploratory_seeds": 0}, "must be 1 or more, got 0"),
        ({"exploratory_seeds": -1}, "must be 1 or more, got -1"),
        (
            {"arms": [Arm("a", configurations=TWO), Arm("b", configurations=TWO[:1])], "tuning_seeds": [9]},
            r"the same number of configurations; got \{'a': 2, 'b': 1\}",
        ),
        ({"arms": [Arm("a", configurations=TWO)]}, "a have configurations to choose from: give tuning seeds"),
        ({"arms": arms("balanced", "average")}, "'average' takes its weights from 'gradient': compare that, too"),
        ({"arms": [Arm("a", control="average", of="a")]}, "'a', a control itself"),
        (
            {"arms": [*arms("gradient", "average"), Arm("b", control="replay", of="average")]},
            "'average', a control itself: name another arm",
        ),
        (
            {"arms": [Arm("gradient", "gradient", seeds=1), arm_of("average", {})]},
            "'gradient': give that as many seeds and algorithms",
        ),
        (
            {
                "arms": [Arm("gradient", "gradient", algorithms=["grpo"]), arm_of("average", {})],
                "algorithms": ["grpo", "rloo"],
            },
            "'gradient': give that as many seeds and algorithms",
        ),
        ({"arms": arms("gradient", "replay"), "seeds": [3]}, "give 'gradient' two seeds or more"),
        (
            {"arms": arms("gradient", "replay"), "algorithms": ["grpo", "rloo"], "exploratory_seeds": 1},
            "give 'gradient' two seeds or more",
        ),
        ({"primary": "gradient"}, "names 'gradient', which is not compared"),
        ({"primary_figure": "beauty"}, "must be one of hypervolume, geometric_mean, .*; got 'beauty'"),
        ({"arms": [Arm("a", configurations_of="b")]}, "chooses from the configurations of 'b': compare that, too"),
        ({"arms": [Arm("a", configurations_of="a")]}, "chooses from the configurations of 'a': compare that, too"),
        ({"arms": [Arm("a", configurations_of="balanced"), *arms("balanced")]}, "with configurations of its own"),
        (
            {"arms": [Arm("a", configurations=TWO), Arm("b", "nash", configurations_of="a")], "tuning_seeds": [9]},
            "its runs try 'nash', those of 'a' try 'fixed'",
        ),
    ],
)
def test_a_comparison_that_makes_no_sense(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(PlanError, match=complaint) as raised:
        Plan("arithmetic", **{"arms": arms("balanced"), "seeds": [0, 1], **fields})
    one_line(raised)


def test_controls_with_fewer_runs_than_what_they_take_their_weights_from() -> None:
    few = [Arm(name, control=name, of="gradient", seeds=1, algorithms=("grpo",)) for name in CONTROLS]
    plan = Plan("arithmetic", [*arms("gradient"), *few], ["grpo", "rloo"], seeds=[0, 1], exploratory_seeds=1)
    assert [plan.seeds_of(arm, "grpo") for arm in plan.arms] == [[0, 1], [0], [0], [0]]
    assert [plan.seeds_of(arm, "rloo") for arm in plan.arms] == [[0], [], [], []]


@pytest.mark.parametrize(
    ("seeds", "algorithms", "exploratory", "first", "further"),
    [
        (None, (), None, [4, 2, 7], [4, 2, 7]),
        (2, (), None, [4, 2], [4, 2]),
        (5, (), None, [4, 2, 7], [4, 2, 7]),
        (None, ("grpo",), None, [4, 2, 7], []),
        (None, ("rloo",), None, [], [4, 2, 7]),
        (None, (), 1, [4, 2, 7], [4]),
        (2, (), 1, [4, 2], [4]),
        (1, (), 2, [4], [4]),
    ],
)
def test_the_seeds_of_an_arm(
    seeds: int | None, algorithms: tuple[str, ...], exploratory: int | None, first: list[int], further: list[int]
) -> None:
    arm = Arm("a", seeds=seeds, algorithms=algorithms)
    plan = Plan("arithmetic", [arm], ("grpo", "rloo"), (4, 2, 7), exploratory_seeds=exploratory)
    assert (plan.seeds_of(arm, "grpo"), plan.seeds_of(arm, "rloo")) == (first, further)


def test_how_many_configurations() -> None:
    assert Plan("arithmetic", arms("balanced")).configurations == 0
    tuned = Arm("a", configurations=TWO)
    plan = Plan("arithmetic", [tuned, *arms("balanced"), Arm("b", configurations_of="a")], tuning_seeds=[1000])
    assert plan.configurations == 2
    assert [list(plan.configurations_of(arm)) for arm in plan.arms] == [list(TWO), [], list(TWO)]


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_recipes_are_plans(path: Path) -> None:
    recipe = {"arms": {}, "algorithms": "grpo", **read_config_files([path], lambda _, told: dict(told))}
    if "task" not in recipe:  # it is laid over, or is the base of, one that names a task
        return
    plan = Plan(
        recipe["task"],
        [arm_of(name, recipe["arms"], **NAMES) for name in recipe["rules"].split(",")],
        recipe["algorithms"].split(","),
        range(recipe["seeds"]),
        tuning_seeds=(1000, 1001),
        primary=recipe.get("primary"),
        exploratory_seeds=recipe.get("exploratory_seeds"),
    )
    assert set(recipe["arms"]) <= {arm.name for arm in plan.arms}  # no description goes unused


# --- written down -------------------------------------------------------------------------------------------

FULL = Plan(
    task="arithmetic",
    arms=(
        Arm("tuned", "gradient", rule_settings={"method": "exact"}, configurations=TWO, seeds=2),
        *arms("balanced"),
        Arm("other", "gradient", rule_settings={"method": "exact"}, configurations_of="tuned", chosen_by="regret"),
    ),
    algorithms=("grpo", "rloo"),
    seeds=(0, 1, 2),
    tuning_seeds=(1000,),
    settings={"learning_rate": 1e-4, "max_steps": 60},
    test_samples=256,
    threads=2,
    primary="tuned",
    primary_figure="share_of_best",
    target=0.25,
    exploratory_seeds=2,
)


@pytest.mark.parametrize("plan", [FULL, Plan("arithmetic", arms("gradient", *CONTROLS, "balanced"))])
def test_what_is_written_is_read_again(tmp_path: Path, plan: Plan) -> None:
    directory = tmp_path / "new" / "comparison"
    assert write_plan(directory, plan) is plan
    assert same(read_plan(directory), plan)
    assert json.loads((directory / "comparison.json").read_text())["schema"] == 1
    assert [path.name for path in directory.iterdir()] == ["comparison.json"]
    assert same(write_plan(directory, plan), plan)


def test_a_comparison_takes_more_arms_algorithms_and_seeds(tmp_path: Path) -> None:
    write_plan(tmp_path, Plan("arithmetic", arms("balanced", "gradient"), ["grpo"], [0, 1], primary="gradient"))
    more = Plan("arithmetic", arms("gradient", "replay", "pama"), ["rloo"], [1, 2, 3], primary="gradient")
    widened = write_plan(tmp_path, more)
    assert [arm.name for arm in widened.arms] == ["balanced", "gradient", "replay", "pama"]
    assert (widened.algorithms, widened.seeds) == (["grpo", "rloo"], [0, 1, 2, 3])
    assert same(read_plan(tmp_path), widened)
    less = Plan("arithmetic", arms("gradient"), ["grpo"], [0], primary="gradient")
    assert same(write_plan(tmp_path, less), widened)


def test_an_arm_with_few_seeds_keeps_those_that_it_has(tmp_path: Path) -> None:
    few = Arm("few", preset="balanced", seeds=2)
    write_plan(tmp_path, Plan("arithmetic", [few], ["grpo"], [5, 6]))
    widened = write_plan(tmp_path, Plan("arithmetic", [few], ["grpo"], [0, 1, 5]))
    assert widened.seeds == [5, 6, 0, 1]
    assert widened.seeds_of(few, "grpo") == [5, 6]


@pytest.mark.parametrize(
    "change",
    [
        {"task": "safesql"},
        {"settings": {"learning_rate": 2e-4, "max_steps": 60}},
        {"test_samples": None},
        {"threads": 1},
        {"tuning_seeds": [1000, 1001]},
        {"primary": None},
        {"primary_figure": "hypervolume"},
        {"target": 0.3},
        {"exploratory_seeds": None},
        {"arms": [replace(FULL.arms[0], seeds=3), *FULL.arms[1:]]},
        {"arms": [replace(FULL.arms[0], configurations=TWO[::-1]), *FULL.arms[1:]]},
        {"arms": [*FULL.arms[:2], replace(FULL.arms[2], chosen_by="hypervolume")]},
        {"arms": [*FULL.arms, Arm("third", configurations=TWO[:1])]},
    ],
)
def test_what_all_runs_share_stays(tmp_path: Path, change: dict[str, Any]) -> None:
    write_plan(tmp_path, FULL)
    before = (tmp_path / "comparison.json").read_bytes()
    with pytest.raises(PlanError) as raised:
        write_plan(tmp_path, replace(FULL, **change))
    message = one_line(raised)
    if "arms" not in change:
        name = next(iter(change))
        assert f"has {name} {plain(getattr(FULL, name))!r}, now it is {change[name]!r}" in message
    assert (tmp_path / "comparison.json").read_bytes() == before


def test_the_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no comparison\.json"):
        read_plan(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(PlanError, match="holds other files") as raised:
        write_plan(tmp_path, FULL)
    one_line(raised)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is no plan of a comparison"),
        (b'{"schema": 1, "task": "arith', "is no plan of a comparison"),
        (b"\xff\xfe", "is no plan of a comparison"),
        (b"[]", "must hold a JSON object"),
        (b"{}", "is no plan of a comparison"),
        (b'{"schema": 2, "task": "arithmetic", "arms": []}', "another schema: this version reads 1"),
        (b'{"schema": 1, "task": "arithmetic"}', "'arms'"),
        (b'{"schema": 1, "task": "arithmetic", "arms": 3}', "is no plan of a comparison"),
        (b'{"schema": 1, "task": "arithmetic", "arms": ["balanced"]}', "is no plan of a comparison"),
        (b'{"schema": 1, "task": "arithmetic", "arms": [{"name": "a", "colour": "red"}]}', "colour"),
        (b'{"schema": 1, "task": "arithmetic", "arms": [{"name": "a"}], "seeds": "ten"}', "is no plan of a comparison"),
        (b'{"schema": 1, "task": "arithmetic", "arms": [{"name": "../a"}]}', "use letters, digits"),
        (b'{"schema": 1, "task": "arithmetic", "arms": [{"name": "a"}], "seeds": [0, 0]}', "each once"),
    ],
)
def test_a_foreign_or_torn_plan(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "comparison.json").write_bytes(content)
    for attempt in (lambda: read_plan(tmp_path), lambda: write_plan(tmp_path, FULL)):
        with pytest.raises(PlanError, match=complaint) as raised:
            attempt()
        one_line(raised)
    assert (tmp_path / "comparison.json").read_bytes() == content
