"""The tasks with a known front: their data, their fronts against brute force, and policies made by hand."""

import random
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from itertools import product
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paretune import tasks
from paretune.pareto import best_geometric_mean, geometric_mean, regret, weight_lattice
from paretune.tasks import change, recall, treasure
from paretune.tasks.change.front import PURSES
from paretune.tasks.change.problems import Purse
from paretune.tasks.charter.requirements import achievable, all_words, meets
from paretune.tasks.enumeration import best_answers
from paretune.tasks.recall.problems import WRONG, Notes
from paretune.tasks.treasure.problems import Map

NAMES = ("treasure", "treasure_convex", "treasure_scaled", "recall", "change", "charter", "call")
FEW = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.differing_executors])

load = cache(tasks.load)


def columns(row: dict[str, Any], count: int) -> dict[str, list[Any]]:
    return {name: [value] * count for name, value in row.items() if name != "prompt"}


def gains(task: tasks.Task, answers: Sequence[str], rows: Iterable[dict[str, Any]]) -> np.ndarray:
    """``[N, K]``: the rewards of one answer to each row, by the functions that training calls."""
    rows = list(rows)
    given_columns = {name: [row[name] for row in rows] for name in rows[0] if name != "prompt"}
    return np.array([o.reward(completions=list(answers), **given_columns) for o in task.objectives]).T


def weightings(objectives: int) -> st.SearchStrategy[np.ndarray]:
    parts = st.lists(st.integers(0, 10), min_size=objectives, max_size=objectives).filter(any)
    return parts.map(lambda w: np.array([w]) / sum(w))


# The data


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.turns
def test_splits_are_disjoint_and_the_same_on_every_call(name: str) -> None:
    task, again = load(name), tasks.load(name)
    prompts = [split["prompt"] for split in (task.train, task.validation, task.test)]
    assert [len(p) for p in prompts] == [len(task.train), 256, 512]
    assert len(task.train) >= 2048
    assert len({prompt for split in prompts for prompt in split}) == sum(map(len, prompts))
    for split in ("train", "validation", "test"):
        assert getattr(task, split).to_dict() == getattr(again, split).to_dict()


@pytest.mark.parametrize("name", NAMES)
def test_the_task_needs_no_data_and_says_so_in_a_line(name: str) -> None:
    with pytest.raises(ValueError, match="generates its own problems") as caught:
        tasks.load(name, "some/folder")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_prompts_and_answers_are_short(name: str) -> None:
    task = load(name)
    assert max(map(len, task.train["prompt"])) <= 42
    assert task.settings["max_completion_length"] <= 24
    assert all(o.bounds == (0.0, 1.0) and o.maximize for o in task.objectives)


# The front: brute force over all answers


def best_of(choices: Iterable[np.ndarray], weights: np.ndarray) -> float:
    """h(w): the mean over prompts of the best answer's worth."""
    return float(np.mean([(np.asarray(each) @ weights[0]).max() for each in choices]))


def agrees(task: tasks.Task, problems: Sequence[Any], choices: Iterable[np.ndarray], weights: np.ndarray) -> None:
    assert task.front is not None
    rows = Dataset.from_list([problem.row for problem in problems])
    found = task.front(rows, weights)
    assert found.shape == weights.shape
    assert float(found[0] @ weights[0]) == pytest.approx(best_of(choices, weights), abs=1e-9)


def problems_of(draw: Callable[[random.Random], Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 2**32).map(lambda seed: draw(random.Random(seed)))


@FEW
@given(problems_of(partial(treasure.problems.draw, family="scaled")), weightings(2))
def test_treasure_agrees_with_all_moves(problem: Map, weights: np.ndarray) -> None:
    answers = [f"r{right}d{down}" for right in range(20) for down in range(20)] + ["", "r", "d3r2", "r0d1 ", "rrd"]
    agrees(load("treasure"), [problem], [gains(load("treasure"), answers, [problem.row] * len(answers))], weights)


@settings(FEW, max_examples=4)
@given(problems_of(recall.problems.draw), weightings(3))
def test_recall_agrees_with_all_claims_under_all_truths(problem: Notes, weights: np.ndarray) -> None:
    """Two of the keys asked for; every answer of up to two claims, about these and another key, over all truths."""
    known = dict(zip(problem.query[:2], problem.sure, strict=False))
    small = Notes(problem.facts, problem.query[:2], problem.truth[:2])
    other = next(key for key in "abcdefgh" if key not in known)
    claims = [key + value for key in (*known, other) for value in "0123456789"]
    answers = ["", "?", *claims, *(a + b for a, b in product(claims, claims))]
    expected = np.zeros((len(answers), 3))
    for truth in product("0123456789", repeat=2):
        probability = 1.0
        for key, value in zip(known, truth, strict=True):
            noted = small.noted[key] == value
            doubt = (1 - WRONG if noted else WRONG / 9) if not known[key] else float(noted)
            probability *= doubt
        if probability:
            row = {**small.row, "truth": "".join(truth)}
            expected += probability * gains(load("recall"), answers, [row] * len(answers))
    agrees(load("recall"), [small], [expected], weights)


@FEW
@given(problems_of(change.problems.draw), weightings(5))
def test_change_agrees_with_all_counts_of_coins(problem: Purse, weights: np.ndarray) -> None:
    found = []
    for counts in product(range(9), repeat=4):
        coins = sum(counts)
        if coins <= 8:
            paid = counts[0] + 2 * counts[1] + 5 * counts[2] + 10 * counts[3]
            mass = sum(c * m for c, m in zip(counts, problem.masses, strict=True))
            green = sum(c for c, is_green in zip(counts, problem.green, strict=True) if is_green)
            found.append(
                [
                    max(0, 1 - abs(paid - problem.amount) / 5),
                    1 - coins / 8,
                    green / coins if coins else 0,
                    min(counts) / max(counts) if coins else 0,
                    max(0, 1 - mass / 40),
                ]
            )
    agrees(load("change"), [problem], [np.array(found)], weights)


@given(st.text("abcdx", max_size=10), problems_of(change.problems.draw))
def test_coins_count_in_any_order_and_anything_else_earns_nothing(text: str, problem: Purse) -> None:
    one, other, purse = gains(load("change"), [text, text[::-1], "".join(sorted(text))], [problem.row] * 3)
    assert one.tolist() == other.tolist() == purse.tolist()
    if "x" in text or len(text) > 8:
        assert not one.any()
    else:
        assert "".join(sorted(text)) in PURSES


def test_call_has_one_best_answer() -> None:
    task = load("call")
    rows = task.test.select(range(20))
    perfect = gains(task, [f"<c>{row['call']}</c>" for row in rows], rows)
    assert (perfect == 1.0).all()
    assert task.front(rows, weight_lattice(3, 3)).tolist() == [[1.0, 1.0, 1.0]] * 10


def test_of_equally_good_answers_the_front_takes_the_one_that_serves_the_others_best() -> None:
    assert best_answers([[[1.0, 0.0], [1.0, 0.5], [0.0, 1.0]]], [[1.0, 0.0]]).tolist() == [[1.0, 0.5]]


@pytest.mark.parametrize("weights", [[0.5, 0.5], [[0.5, -0.5]], [[0.2, 0.3, 0.5]]])
def test_weights_that_do_not_fit_are_refused(weights: Any) -> None:
    with pytest.raises(ValueError, match="weight"):
        load("treasure").front(load("treasure").test.select([0]), weights)


def test_a_front_needs_a_row() -> None:
    with pytest.raises(ValueError, match="no prompt"):
        load("recall").front(load("recall").test.select([]), np.eye(3))


# Policies made by hand


def candidates(name: str, row: dict[str, Any]) -> list[str]:
    """Answers among which the best one is, written without a look at how the front finds it."""
    if name.startswith("treasure"):
        return [f"r{column}d{depth}" for column, depth in row["places"]]
    if name == "change":
        return list(PURSES)
    if name == "call":
        return [row["call"], f"<c>{row['call']}</c>"]
    facts = row["prompt"].split("=")[0].replace("?", "")
    noted = dict(zip(facts[::2], facts[1::2], strict=True))
    keys = row["query"]
    return ["".join(key + noted[key] for key in chosen) for chosen in subsets(keys)]


def subsets(items: Sequence[str]) -> list[list[str]]:
    return [[x for x, taken in zip(items, bits, strict=True) if taken] for bits in product((0, 1), repeat=len(items))]


@pytest.mark.parametrize("name", ["treasure", "treasure_convex", "treasure_scaled", "change", "call"])
def test_a_policy_that_plays_the_optimum_has_no_regret(name: str) -> None:
    task = load(name)
    rows = task.test.select(range(12))
    weights = weight_lattice(len(task.objectives), 3)
    played = np.zeros((len(rows), *weights.shape))
    for i, row in enumerate(rows):
        answers = candidates(name, row)
        rewards = gains(task, answers, [row] * len(answers))
        played[i] = rewards[(weights @ rewards.T).argmax(axis=1)]
    support = (weights * task.front(rows, weights)).sum(axis=1)
    assert regret(played.mean(axis=0), weights, support) == pytest.approx(0.0, abs=1e-12)
    worst = played[0].mean(axis=0)
    assert regret(worst, weights, support) >= -1e-12


def test_the_optimum_of_recall_has_no_regret_but_for_which_facts_were_wrong() -> None:
    """A policy chooses what it states by what it knows; which of it is true is the luck of 512 draws."""
    task = load("recall")
    weights = weight_lattice(3, 5)
    played = []
    for w in weights:
        answers = []
        for row in task.test:
            certain = {key for key, sure in zip(row["query"], row["sure"], strict=True) if sure}
            worth = {}
            for text in candidates("recall", row):
                stated = text[::2]
                right = sum(1 if key in certain else 1 - WRONG for key in stated)
                expected = (right / len(row["query"]), right / len(stated) if stated else 1.0, 1 - len(text) / 10)
                worth[text] = float(np.dot(w, expected))
            answers.append(max(worth, key=worth.__getitem__))
        played.append(gains(task, answers, task.test))
    support = (weights * task.front(task.test, weights)).sum(axis=1)
    worths = np.array([rewards @ w for w, rewards in zip(weights, played, strict=True)])  # [M, N]
    error = worths.std(axis=1) / np.sqrt(worths.shape[1])
    assert (np.abs(worths.mean(axis=1) - support) <= 4 * error + 1e-12).all()
    found = regret(np.array([rewards.mean(axis=0) for rewards in played]), weights, support)
    assert abs(found) <= 4 * error.mean()


def test_words_of_charter_meet_what_the_front_promises() -> None:
    task = load("charter")
    rows = task.test.select(range(5))
    weights = np.array([np.full(8, 1 / 8), np.eye(8)[4], [0, 0, 0, 0, 0.5, 0.2, 0.2, 0.1]])
    best = np.zeros(len(weights))
    for row in rows:
        met = np.array([meets(code, all_words()) for code in row["codes"]]).T
        best += (met @ weights.T).max(axis=0) / len(rows)
    assert (weights * task.front(rows, weights)).sum(axis=1) == pytest.approx(best)


# What there is to win


@pytest.mark.parametrize("name", ["treasure", "treasure_convex", "treasure_scaled", "recall", "change", "charter"])
def test_equal_weights_leave_some_of_the_best_geometric_mean(name: str) -> None:
    task = load(name)
    rows = task.validation
    count = len(task.objectives)
    best = best_geometric_mean(partial(task.front, rows), count, tolerance=1e-3)
    equal = task.front(rows, np.full((1, count), 1 / count))[0]
    assert geometric_mean(equal) < 0.92 * best.value
    assert best.gap <= 1e-3


def test_fixed_weights_reach_two_points_of_concave_maps_and_more_of_their_average() -> None:
    lattice = weight_lattice(2, 100)
    points = {name: {tuple(p) for p in load(name).front(load(name).test, lattice).round(6)} for name in NAMES[:3]}
    assert len(points["treasure"]) == 2
    assert len(points["treasure_scaled"]) == 5  # the maps of each of the four scales turn at a weight of their own
    assert len(points["treasure_convex"]) > 10


def test_charters_are_what_they_promise() -> None:
    for row in load("charter").test.select(range(30)):
        sets = achievable(row["codes"])
        assert sets.sum(axis=1).max() == 7
        minority, majority = sets[:, 4], sets[:, 5]
        assert not (minority & majority).any()
        assert sets[minority].sum(axis=1).max() == 6
        assert len(set(row["codes"])) == 8


def test_every_task_with_an_embedded_policy_is_tested_here() -> None:
    known = {name for name in tasks.names() if name not in ("arithmetic", "math500", "math_algebra", "safesql")}
    assert known == set(NAMES)
