"""Every way in which a reward or metric function misbehaves has one outcome; here is the table."""

import asyncio
import json
import math
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from math_verify.errors import TimeoutException
from torch import Tensor

from paretune import PAMA, FixedWeights, MultiObjectiveConfig, MultiObjectiveTrainer, Objective
from paretune.objectives import RewardError
from paretune.record.run_directory import read_run, read_steps
from paretune.trainer.reward_values import LARGEST
from paretune.weighting import WeightingRule
from policies import brief, digits, letters, prompts, saved_policy
from trainer.on_two import on_two
from trainer.run_faults_on_two import end_in_every_way

PATIENCE = 60  # seconds: the machine may be busy


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


def trainer_of(
    model: str, directory: Path, objectives: list[Objective], rule: WeightingRule | None = None, **options: Any
) -> MultiObjectiveTrainer:
    settings = {
        "learning_rate": 1e-2, "max_steps": 1, "per_device_train_batch_size": 8, "num_generations": 4,
        "max_completion_length": 4, "gradient_checkpointing": False, "report_to": [], "save_strategy": "no",
        "eval_strategy": "no", "disable_tqdm": True, **options,
    }  # fmt: skip
    config = MultiObjectiveConfig(str(directory), **settings)
    rule = rule or FixedWeights([1 / len(objectives)] * len(objectives))
    return MultiObjectiveTrainer(model, objectives, config, prompts(8), prompts(4), weighting=rule)


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


# --- the sample does not count --------------------------------------------------------------------------------


def with_values(values: dict[int, Any]) -> Callable[..., list[Any]]:
    """Shares of digits, but for some completions of the batch."""

    def spoilt(completions: list[str], **_: Any) -> list[Any]:
        return [values.get(i, share + i / 100) for i, share in enumerate(digits(completions))]

    return spoilt


class Keeping(MultiObjectiveTrainer):
    """Keeps the advantages of every sample that it trained on."""

    advantages: Tensor

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.advantages = torch.zeros(8)
        for micro_batch in self._buffered_inputs:
            self.advantages[micro_batch["sample_index"]] = micro_batch["advantages"]
        return loss


def advantages_with(
    values: dict[int, Any], model: str, directory: Path, rule: WeightingRule | None = None, **options: Any
) -> tuple[Keeping, Tensor]:
    """Train one step of two groups of four; the trainer and the advantages of the eight."""
    objectives = [Objective("spoilt", with_values(values)), Objective("letters", letters)]
    trainer = trainer_of(model, directory, objectives, rule, **options)
    trainer.__class__ = Keeping
    trainer.train()
    return trainer, trainer.advantages


@pytest.mark.parametrize("value", [INF, -INF, 1e300, 2 * LARGEST, -(10**400), np.float64(INF), torch.tensor(INF)])
def test_a_sample_with_a_reward_that_overflows_does_not_count(value: Any, model: str, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="reward of objective 'spoilt' is infinite or beyond ±1e\\+16 for 2 of 8"):
        trainer, advantages = advantages_with({1: value, 6: value}, model, tmp_path)
    assert trainer._current().uncounted == 2
    rewards = trainer._current().rewards
    assert rewards[[1, 6]].isnan().all()
    others = [0, 2, 3, 4, 5, 7]
    assert rewards[others].isfinite().all()
    assert advantages[[1, 6]].tolist() == [0.0, 0.0]
    combined = rewards.mean(dim=1)
    for group in ([0, 2, 3], [4, 5, 7]):  # the baseline is that of the others
        expected = (combined[group] - combined[group].mean()) / (combined[group].std() + 1e-4)
        torch.testing.assert_close(advantages[group], expected)
    assert all(p.isfinite().all() for p in trainer.model.parameters())
    assert all(math.isfinite(value) for value in read_steps(tmp_path)[0]["rewards"].values())


@pytest.mark.parametrize("value", [LARGEST, -LARGEST])
def test_up_to_there_everything_stays_finite(value: float, model: str, tmp_path: Path) -> None:
    trainer, advantages = advantages_with({1: value}, model, tmp_path, scale_rewards="batch")
    assert trainer._current().uncounted == 0
    assert advantages.isfinite().all()
    assert advantages.abs().max() > 1


WAYS: dict[str, dict[str, Any]] = {
    "batch": {"scale_rewards": "batch"},
    "none": {"scale_rewards": "none"},
    "normalize_then_sum": {"multi_objective_aggregation": "normalize_then_sum"},
    "rloo": {"advantage_estimator": "rloo"},
    "reinforce++": {"advantage_estimator": "reinforce++"},
    "advantages": {"combine": "advantages"},
    "pama": {"rule": PAMA()},
    "pama for batches": {"rule": PAMA(credit="batch")},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("out", [[2, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6, 7]], ids=len)
@pytest.mark.filterwarnings("ignore:.*do not count", "ignore:PAMA")
def test_whatever_makes_the_advantages(way: str, out: list[int], model: str, tmp_path: Path) -> None:
    """With one of a group out and all but one of the other; with all there is."""
    trainer, advantages = advantages_with(dict.fromkeys(out, INF), model, tmp_path, **WAYS[way])
    assert trainer._current().uncounted == len(out)
    assert advantages[out].tolist() == [0.0] * len(out)
    assert advantages.isfinite().all()
    assert all(p.isfinite().all() for p in trainer.model.parameters())
    assert all(math.isfinite(weight) for weight in trainer.weights.values())
    assert bool(advantages[[0, 1, 3]].any()) == (len(out) < 8)


@pytest.mark.parametrize("estimator", ["grpo", "rloo", "reinforce++"])
@pytest.mark.filterwarnings("ignore:.*do not count")
def test_out_is_as_if_no_objective_applied(estimator: str, model: str, tmp_path: Path) -> None:
    """The same as TRL's treatment of a completion that nothing scores."""

    def unscored(completions: list[str], **_: Any) -> list[float | None]:
        return [None if i == 5 else value for i, value in enumerate(letters(completions))]

    _, left_out = advantages_with({5: INF}, model, tmp_path / "out", advantage_estimator=estimator)
    objectives = [Objective("spoilt", with_values({5: None})), Objective("letters", unscored)]
    trainer = trainer_of(model, tmp_path / "none", objectives, advantage_estimator=estimator)
    trainer.__class__ = Keeping
    trainer.train()
    assert trainer._current().uncounted == 0
    assert torch.equal(trainer.advantages, left_out)


def test_the_warning_comes_once_and_the_count_is_of_the_latest_batch(model: str, tmp_path: Path) -> None:
    calls = []

    def sometimes(completions: list[str], **_: Any) -> list[float]:
        calls.append(1)
        return [INF if i < 4 - len(calls) else 1.0 for i in range(len(completions))]

    trainer = trainer_of(model, tmp_path, [Objective("sometimes", sometimes)], max_steps=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.train()
    said = [str(w.message) for w in caught if "do not count" in str(w.message)]
    assert len(said) == 1
    assert "for 3 of 8 completions" in said[0]
    assert trainer._current().uncounted == 2


def test_none_and_nan_mean_that_the_objective_does_not_apply(model: str, tmp_path: Path) -> None:
    trainer, advantages = advantages_with({1: None, 6: NAN}, model, tmp_path)
    assert trainer._current().uncounted == 0
    rewards = trainer._current().rewards
    assert rewards[:, 0].isnan().tolist() == [i in (1, 6) for i in range(8)]
    assert rewards[:, 1].isfinite().all()
    assert advantages.isfinite().all()


def test_an_infinite_metric_does_not_count_in_the_mean(model: str, tmp_path: Path) -> None:
    def metric(completions: list[str], **_: Any) -> list[Any]:
        return [INF, 1.0, 1e300, 3.0, None, 5.0][: len(completions)]

    objectives = [Objective("digits", digits, metric=metric), Objective("spoilt", with_values({0: INF}))]
    trainer = trainer_of(model, tmp_path, objectives)
    with (
        pytest.warns(UserWarning, match="'spoilt' is infinite"),
        pytest.warns(UserWarning, match="'metric' of objective 'digits' is infinite for 2 of 4 completions"),
    ):
        found = trainer.evaluate()
    assert found["eval_metrics/digits"] == 2.0
    assert found["eval_standard_error/digits"] == pytest.approx(1.0)
    assert math.isfinite(found["eval_metrics/spoilt"])  # its reward is its metric


# --- two processes ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_fault_on_one_of_two_processes_ends_both_with_the_same_line(model: str, tmp_path: Path) -> None:
    started = time.monotonic()
    on_two(end_in_every_way, model, tmp_path)
    elapsed = time.monotonic() - started
    first, second = (json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in (0, 1))
    expected = {
        "raises": "The reward function 'raises' of objective 'other' raised ZeroDivisionError: no reward (on rank 1 of "
        "2)",
        "returns too few": "The reward function 'too_few' of objective 'other' returned 1 values for 4 completions: "
        "return one for each. (on rank 1 of 2)",
        "async": "The reward function 'raises_async' of objective 'other' raised ZeroDivisionError: no reward (on rank "
        "1 of 2)",
        "hangs": "The reward function 'hangs' of objective 'other' took longer than 1 s: mend it, or allow it more by "
        "`reward_timeout`. (on rank 1 of 2)",
        "observes": "`observe` of the reward of objective 'other' raised ZeroDivisionError: no reward (on rank 1 of 2)",
        "metric": "The metric 'raises' of objective 'other' raised ZeroDivisionError: no reward (on rank 1 of 2)",
        "both": "The reward function 'raises_differently' of objective 'other' raised KeyError: 0 (on rank 0 of 2)",
    }
    for case, line in expected.items():
        for rank, outcome in enumerate((first, second)):
            assert outcome[case]["line"] == line, (case, rank)
            assert outcome[case]["seconds"] < min(PATIENCE, elapsed)
    assert second["raises"]["cause"] == "ZeroDivisionError"
    for outcome in (first, second):  # infinite on rank 1 only: both leave it out, and go on together
        assert outcome["infinite"] == {**first["infinite"], "uncounted": 1}
        assert all(math.isfinite(x) for x in outcome["infinite"]["parameters"])
