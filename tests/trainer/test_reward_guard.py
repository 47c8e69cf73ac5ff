"""Every way in which a reward or metric function misbehaves has one outcome; here is the table."""

import asyncio
import json
import math
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from math_verify.errors import TimeoutException

from paretune import MultiObjectiveConfig, Objective
from paretune.objectives import RewardError
from paretune.record.run_directory import read_run
from policies import brief, digits, letters, saved_policy
from trainer.on_two import on_two
from trainer.one_batch import trainer_of
from trainer.run_faults_on_two import end_in_every_way

PATIENCE = 60  # seconds: the machine may be busy


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


INF, NAN = math.inf, math.nan


# --- the run stops, with one line ---------------------------------------------------------------------------


def raises(**_: Any) -> list[float]:
    raise ZeroDivisionError("no reward\ntoday")


def raises_what_is_no_exception(**_: Any) -> list[float]:
    raise TimeoutException


def raises_at_length(**_: Any) -> list[float]:
    raise ValueError("x" * 10_000)


def too_few(**_: Any) -> list[float]:
    return [1.0]


def texts(completions: list[str], **_: Any) -> list[str]:
    return completions


def gives_way_late(completions: list[str], **_: Any) -> Any:
    return (1 / 0 for _ in completions)


def never_awaited(**_: Any) -> Any:
    return asyncio.sleep(0, [1.0])


def lacks_a_column(solution: list[str], **_: Any) -> list[float]:
    return [1.0] * len(solution)


async def raises_async(**_: Any) -> list[float]:
    await asyncio.sleep(0)
    raise ZeroDivisionError("no reward today")


async def too_few_async(**_: Any) -> list[float]:
    return [1.0]


async def cancelled(**_: Any) -> list[float]:
    raise asyncio.CancelledError


class Judge:
    async def __call__(self, completions: list[str], **_: Any) -> list[float]:
        raise ConnectionError("the judge is down")


async def hangs_async(**_: Any) -> list[float]:
    await asyncio.sleep(600)
    return []


def hangs(**_: Any) -> list[float]:
    time.sleep(600)
    return []


def hangs_in_a_generator(completions: list[str], **_: Any) -> Any:
    return (time.sleep(600) for _ in completions)


STOPPING: dict[Callable[..., Any], tuple[str, type[BaseException] | None]] = {
    raises: ("'raises' of objective 'other' raised ZeroDivisionError: no reward today", ZeroDivisionError),
    raises_what_is_no_exception: ("of objective 'other' raised TimeoutException", TimeoutException),
    raises_at_length: (f"of objective 'other' raised ValueError: {'x' * 200}…", ValueError),
    too_few: ("'too_few' of objective 'other' returned 1 values for", None),
    texts: ("(str) for completion 0, which is no number: return a number, or None", None),
    gives_way_late: ("'gives_way_late' of objective 'other' raised ZeroDivisionError: division by zero", None),
    never_awaited: ("returned an awaitable (coroutine): a reward function that awaits is written with `async", None),
    lacks_a_column: ("raised TypeError: lacks_a_column() missing 1 required positional argument: 'solution'", None),
    raises_async: ("'raises_async' of objective 'other' raised ZeroDivisionError: no reward today", ZeroDivisionError),
    too_few_async: ("'too_few_async' of objective 'other' returned 1 values for", None),
    cancelled: ("'cancelled' of objective 'other' raised CancelledError", None),
    Judge(): ("'Judge' of objective 'other' raised ConnectionError: the judge is down", ConnectionError),
    hangs: ("'hangs' of objective 'other' took longer than 0.5 s: mend it, or allow it more by `reward_timeout`", None),
    hangs_in_a_generator: ("of objective 'other' took longer than 0.5 s", None),
    hangs_async: ("'hangs_async' of objective 'other' took longer than 0.5 s", None),
}


def limited(function: Callable[..., Any]) -> dict[str, Any]:
    return {"reward_timeout": 0.5} if "hangs" in getattr(function, "__name__", "") else {}


@pytest.mark.parametrize("function", STOPPING, ids=lambda f: getattr(f, "__name__", type(f).__name__))
@pytest.mark.turns
def test_as_a_reward_it_ends_the_run(function: Callable[..., Any], model: str, tmp_path: Path) -> None:
    line, cause = STOPPING[function]
    objectives = [Objective("digits", digits), Objective("other", function)]
    trainer = trainer_of(model, tmp_path, objectives, **limited(function))
    before = [p.detach().clone() for p in trainer.model.parameters()]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="coroutine")
        with pytest.raises(RewardError) as caught:
            trainer.train()
    assert line in str(caught.value)
    assert str(caught.value).startswith("The reward function ")
    assert "\n" not in str(caught.value)
    assert cause is None or isinstance(caught.value.__cause__, cause)
    assert read_run(tmp_path)["status"] == "failed"
    assert all(torch.equal(a, b) for a, b in zip(trainer.model.parameters(), before, strict=True))


@pytest.mark.parametrize("function", [raises, too_few, texts, gives_way_late, hangs], ids=lambda f: f.__name__)
def test_as_a_metric_it_ends_the_evaluation(function: Callable[..., Any], model: str, tmp_path: Path) -> None:
    line, cause = STOPPING[function]
    objectives = [Objective("digits", digits), Objective("other", letters, metric=function)]
    trainer = trainer_of(model, tmp_path, objectives, **limited(function))
    with pytest.raises(RewardError) as caught:
        trainer.evaluate()
    assert line in str(caught.value)
    assert str(caught.value).startswith(f"The metric {function.__name__!r} of objective 'other' ")
    assert cause is None or isinstance(caught.value.__cause__, cause)
    # It can be evaluated again when that is mended.
    objectives[1].metric = letters
    assert trainer.evaluate()["eval_metrics/other"] >= 0


def test_an_async_metric_is_told_so(model: str, tmp_path: Path) -> None:
    objectives = [Objective("digits", digits, metric=too_few_async)]
    with pytest.raises(RewardError, match=r"returned an awaitable \(coroutine\).*a metric cannot be"):
        trainer_of(model, tmp_path, objectives).evaluate()


class Observing:
    """Rewards brevity, and fails to observe."""

    def __call__(self, completion_ids: list[list[int]], **_: Any) -> list[float]:
        return brief(completion_ids)

    def observe(self, lengths: list[int]) -> None:
        raise LookupError("no room for more")


def test_what_fails_to_observe_ends_the_run(model: str, tmp_path: Path) -> None:
    trainer = trainer_of(model, tmp_path, [Objective("short", Observing())])
    with pytest.raises(RewardError, match="`observe` of the reward of objective 'short' raised LookupError: no room"):
        trainer.train()


async def waits(completions: list[str], **_: Any) -> list[float]:
    await asyncio.sleep(0)
    return digits(completions)


def test_a_limit_that_is_kept_changes_nothing(model: str, tmp_path: Path) -> None:
    trained = []
    for limit in (None, 600.0):
        objectives = [Objective("digits", waits, metric=letters), Objective("brief", brief)]
        trainer = trainer_of(model, tmp_path / str(limit), objectives, reward_timeout=limit)
        trainer.train()
        trained.append(list(trainer.model.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(*trained, strict=True))


def test_a_limit_that_cannot_be_kept_is_refused_before_a_model_is_loaded(tmp_path: Path) -> None:
    refused: list[BaseException] = []

    def make() -> None:
        try:
            trainer_of("no-such-model", tmp_path, [Objective("digits", digits)], reward_timeout=1.0)
        except ValueError as error:
            refused.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    assert "only functions in the main thread can be interrupted" in str(refused[0])


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan])
def test_a_limit_is_a_time(value: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`reward_timeout` must be more than 0 seconds, or nothing for no limit, got"):
        MultiObjectiveConfig(str(tmp_path), reward_timeout=value)


# --- ends that are asked for ----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
def test_an_interruption_passes_through(is_async: bool, model: str, tmp_path: Path) -> None:
    def leave(**_: Any) -> list[float]:
        raise KeyboardInterrupt

    async def leave_async(**_: Any) -> list[float]:
        raise KeyboardInterrupt

    trainer = trainer_of(model, tmp_path, [Objective("digits", leave_async if is_async else leave)])
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert read_run(tmp_path)["status"] == "interrupted"


@pytest.mark.parametrize("where", ["reward", "async reward", "metric", "observe", "within a limit"])
@pytest.mark.turns
def test_an_exit_is_a_fault(where: str, model: str, tmp_path: Path) -> None:
    def leave(**_: Any) -> list[float]:
        sys.exit(0)

    async def leave_async(**_: Any) -> list[float]:
        sys.exit(0)

    class Watching:
        __name__ = "watching"

        def __call__(self, completions: list[str], **_: Any) -> list[float]:
            return digits(completions)

        def observe(self, lengths: list[int]) -> None:
            sys.exit(0)

    reward: Any = {"async reward": leave_async, "metric": digits, "observe": Watching()}.get(where, leave)
    objective = Objective("digits", reward, metric=leave if where == "metric" else None)
    options = {"eval_strategy": "steps", "eval_steps": 1} if where == "metric" else {}
    limit = 60.0 if where == "within a limit" else None
    trainer = trainer_of(model, tmp_path, [objective], reward_timeout=limit, **options)
    with pytest.raises(RewardError, match=r"of objective 'digits' called sys\.exit\(0\): let it return its values"):
        trainer.train()
    assert read_run(tmp_path)["status"] == "failed"


# --- two processes ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_fault_on_one_of_two_processes_ends_both_with_the_same_line(model: str, tmp_path: Path) -> None:
    started = time.monotonic()
    on_two(end_in_every_way, model, tmp_path)
    elapsed = time.monotonic() - started
    first, second = (json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in (0, 1))
    expected = {
        "raises": "The reward function 'raises' of objective 'other' raised ZeroDivisionError: no reward{there} "
        "(on rank 1 of 2)",
        "returns too few": "The reward function 'too_few' of objective 'other' returned 1 values for 4 completions: "
        "return one for each. (on rank 1 of 2)",
        "async": "The reward function 'raises_async' of objective 'other' raised ZeroDivisionError: no reward{there} "
        "(on rank 1 of 2)",
        "hangs": "The reward function 'hangs' of objective 'other' took longer than 1 s: mend it, or allow it more by "
        "`reward_timeout`. (on rank 1 of 2)",
        "observes": "`observe` of the reward of objective 'other' raised ZeroDivisionError: no reward{there} "
        "(on rank 1 of 2)",
        "metric": "The metric 'raises' of objective 'other' raised ZeroDivisionError: no reward{there} "
        "(on rank 1 of 2)",
        "both": "The reward function 'raises_differently' of objective 'other' raised KeyError: 0{there} "
        "(on rank 0 of 2)",
    }
    for case, line in expected.items():
        for rank, outcome in enumerate((first, second)):
            pattern = re.escape(line).replace(r"\{there\}", r" \(run_faults_on_two\.py, line \d+, in \w+\)")
            assert re.fullmatch(pattern, outcome[case]["line"]), (case, rank)
            assert outcome[case]["seconds"] < min(PATIENCE, elapsed)
    assert second["raises"]["cause"] == "ZeroDivisionError"
    for outcome in (first, second):  # infinite on rank 1 only: both leave it out, and go on together
        assert outcome["infinite"] == {**first["infinite"], "uncounted": 1}
        assert all(math.isfinite(x) for x in outcome["infinite"]["parameters"])
