"""What the trainer adds to TRL's, on a tiny real policy."""

import gc
import math
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from paretune import (
    PAMA,
    FixedWeights,
    GradientInfluence,
    HypervolumeGuided,
    MultiObjectiveConfig,
    MultiObjectiveTrainer,
    Objective,
    ScheduledWeights,
)
from paretune.advantages import ESTIMATORS
from paretune.objectives import RewardError
from paretune.record.run_directory import read_evaluations, read_run, read_steps
from paretune.weighting import Batch, Scalarization, WeightingRule
from policies import brief, digits, letters, prompts, saved_policy, tokenizer
from records import read_completions, read_front
from trainer.tiny import config, trainer_of


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


def rules() -> list[WeightingRule]:
    return [
        FixedWeights("balanced"),
        ScheduledWeights({0: (1.0, 0.0, 0.0), 3: (0.0, 0.5, 0.5)}),
        HypervolumeGuided([0.4, 0.3, 0.3]),
        HypervolumeGuided([0.4, 0.3, 0.3], apply_to="reward", reference="initial", evaluate_on="rollouts"),
        HypervolumeGuided([0.4, 0.3, 0.3], apply_to="advantage", every=2),
        GradientInfluence(mu=1e-2),
        PAMA(),
    ]


# --- the record -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("evaluate_on", ["validation", "rollouts"])
@pytest.mark.parametrize("apply_to", ["update", "advantage"])
@pytest.mark.turns
def test_a_policy_is_judged_once_where_four_batches_make_an_update(
    evaluate_on: Any, apply_to: Any, model: str, tmp_path: Path
) -> None:
    rule = HypervolumeGuided([0.4, 0.3, 0.3], evaluate_on=evaluate_on, apply_to=apply_to)
    options = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4, "steps_per_generation": 1}
    trainer = trainer_of(model, tmp_path, rule, eval_strategy="no", max_grad_norm=0.0, **options)
    trainer.train()
    scales = [line["scale"] for line in read_steps(tmp_path)]
    assert scales == [scale for scale in scales[::4] for _ in range(4)]
    judged = read_evaluations(tmp_path)
    assert [line["step"] for line in judged] == [0, 1, 2]
    # The record's archive is the rule's: what widened the front makes the update larger.
    assert [scale > 0.5 for scale in scales[4::4]] == [line["contribution"] > 0 for line in judged[1:]]


@pytest.mark.filterwarnings("ignore:HypervolumeGuided")
@pytest.mark.parametrize(
    ("rule", "estimator"),
    [
        pytest.param(rule, estimator, marks=[] if number % 3 == place else [pytest.mark.slow])
        for number, rule in enumerate(rules())
        for place, estimator in enumerate(("grpo", "rloo", "reinforce++"))
    ],
    ids=str,
)
@pytest.mark.turns
def test_every_rule_under_every_estimator(estimator: str, rule: WeightingRule, model: str, tmp_path: Path) -> None:
    trainer = trainer_of(model, tmp_path, rule, advantage_estimator=estimator)
    trainer.train()
    run, steps, evaluations = read_run(tmp_path), read_steps(tmp_path), read_evaluations(tmp_path)
    assert (run["status"], run["algorithm"], run["rule"]["name"]) == ("finished", estimator, rule.name)
    assert [line["step"] for line in steps] == [1, 2, 3]
    for line in steps:
        assert sum(line["weights"].values()) == pytest.approx(1)
        assert all(math.isfinite(v) for v in line["rewards"].values())
        seconds = line["seconds"]
        assert seconds["total"] == pytest.approx(
            seconds["evaluation"] + seconds["generation"] + seconds["influence"] + seconds["update"]
        )
        assert (line["influence"] is not None) == (rule.name == "gradient")
    tokens = [line["tokens"] for line in steps]
    assert tokens == sorted(set(tokens))
    grid = [line for line in evaluations if line["purpose"] == "grid"]
    assert [line["step"] for line in grid] == [1, 2, 3]
    assert all(0 <= line["hypervolume"] <= 1 and line["samples"] == 6 for line in grid)
    assert any(line["purpose"] == "rule" for line in evaluations) == (rule.name == "hypervolume")
    assert trainer.weights == steps[-1]["weights"]
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())


def test_a_moved_weight_shows_in_log_and_table(model: str, tmp_path: Path) -> None:
    """TRL logs a batch before the influence moves the weights; what it shows has to be what was used."""
    trainer = trainer_of(
        model, tmp_path, GradientInfluence(mu=1e-4), max_steps=1, eval_strategy="no", log_completions=True
    )
    trainer.train()
    assert max(trainer.weights.values()) > 0.5  # it has moved far in one batch
    entry = next(e for e in trainer.state.log_history if "reward" in e)
    expected = sum(trainer.weights[n] * entry[f"rewards/{n}/mean"] for n in trainer.weights)
    assert entry["reward"] == pytest.approx(expected, abs=1e-5)
    trained_on = sorted(round(a, 6) for m in trainer._buffered_inputs for a in m["advantages"].tolist())
    assert sorted(round(a, 6) for a in trainer._logs["advantages"]) == trained_on


# --- combining --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ["grpo", "rloo", "reinforce++"])
def test_combine_advantages_is_the_weighted_sum_of_advantages(estimator: str, model: str, tmp_path: Path) -> None:
    trainer = trainer_of(
        model, tmp_path, FixedWeights("accuracy"), max_steps=1, advantage_estimator=estimator, combine="advantages"
    )
    trainer.train()
    rollouts = trainer._current()
    alone = ESTIMATORS[estimator].per_objective(rollouts.rewards, 4, lengths=rollouts.loss_lengths, scale="group")
    expected = alone @ torch.tensor([0.5, 0.25, 0.25])
    for micro_batch in trainer._buffered_inputs:
        assert torch.equal(micro_batch["advantages"], expected[micro_batch["sample_index"]])


class Own(WeightingRule):
    """A rule that is no weighted sum: hands over advantages of its own."""

    name = "own"

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}

    def update(self, batch: Batch) -> Scalarization:
        worst = batch.advantages.min(dim=1).values
        return Scalarization(torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64), advantages=worst)


def test_a_rule_may_hand_over_advantages(model: str, tmp_path: Path) -> None:
    trainer = trainer_of(model, tmp_path, Own(), max_steps=1)
    trainer.train()
    rollouts = trainer._current()
    expected = (
        ESTIMATORS["grpo"].per_objective(rollouts.rewards, 4, lengths=rollouts.lengths, scale="group").min(dim=1).values
    )
    for micro_batch in trainer._buffered_inputs:
        assert torch.equal(micro_batch["advantages"], expected[micro_batch["sample_index"]])


def test_a_gate_holds_the_reward_back(model: str, tmp_path: Path) -> None:
    of = [
        Objective("digits", digits, bounds=(0, 1)),
        Objective("letters", letters, bounds=(0, 8), gate=("digits", 0.5)),
    ]
    trainer = trainer_of(model, tmp_path, FixedWeights([0.5, 0.5]), of=of, max_steps=1)
    trainer.train()
    own, gated = trainer._current().rewards.unbind(dim=1)
    assert (own < 0.5).any()
    assert (gated[own < 0.5] == 0).all()
    assert (gated[own >= 0.5] > 0).any()


# --- the meta-reward acts ---------------------------------------------------------------------------------


class Scaled(FixedWeights):
    """Fixed weights with a fixed factor."""

    scales_updates = True

    def __init__(self, weights: Sequence[float], scale: float) -> None:
        super().__init__(weights)
        self.scale = scale

    def update(self, batch: Batch) -> Scalarization:
        return Scalarization(self.weights, scale=self.scale)


def test_the_factor_scales_the_update_under_adamw_and_clipping(model: str, tmp_path: Path) -> None:
    sizes = {}
    for scale in (0.5, 1.0, 2.0):
        trainer = trainer_of(
            model, tmp_path / str(scale), Scaled([0.4, 0.3, 0.3], scale), max_steps=1, max_grad_norm=0.1,
            optim="adamw_torch", lr_scheduler_type="constant",
        )  # fmt: skip
        trainer.train()
        [line] = read_steps(tmp_path / str(scale))
        assert trainer.optimizer.param_groups[0]["lr"] == 1e-2  # given back
        moved = [p.detach() for p in trainer.model.parameters()]
        start = list(type(trainer.model).from_pretrained(model).parameters())
        size = torch.stack([(a - b).square().sum() for a, b in zip(moved, start, strict=True)]).sum().sqrt().item()
        assert line["update_norm"] == pytest.approx(size, rel=1e-4)
        sizes[scale] = size
    assert sizes[2.0] / sizes[0.5] == pytest.approx(4.0, rel=0.01)
    assert sizes[1.0] / sizes[0.5] == pytest.approx(2.0, rel=0.01)


def test_a_step_of_several_batches_takes_their_mean_factor(model: str, tmp_path: Path) -> None:
    class Alternating(Scaled):
        def update(self, batch: Batch) -> Scalarization:
            self.scale = 2.5 - self.scale
            return super().update(batch)

    trainer = trainer_of(
        model, tmp_path, Alternating([0.4, 0.3, 0.3], 0.5), max_steps=1, per_device_train_batch_size=4,
        steps_per_generation=1, gradient_accumulation_steps=2, lr_scheduler_type="constant",
    )  # fmt: skip
    trainer.train()
    once = trainer_of(
        model, tmp_path / "once", Scaled([0.4, 0.3, 0.3], 1.25), max_steps=1, per_device_train_batch_size=4,
        steps_per_generation=1, gradient_accumulation_steps=2, lr_scheduler_type="constant",
    )  # fmt: skip
    once.train()
    assert [line["scale"] for line in read_steps(tmp_path)] == [2.0, 0.5]
    assert [line["step"] for line in read_steps(tmp_path)] == [1, 1]
    for a, b in zip(trainer.model.parameters(), once.model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("options", "reason"), [({}, "scale_rewards='group'"), ({"scale_rewards": "none"}, "max_grad_norm=1")]
)
def test_it_warns_where_the_factor_is_swallowed(
    options: dict[str, Any], reason: str, model: str, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match=reason):
        trainer_of(model, tmp_path, HypervolumeGuided([0.4, 0.3, 0.3], apply_to="reward"), **options)


# --- evaluation -------------------------------------------------------------------------------------------


def test_evaluation_leaves_the_running_mean_and_the_random_state_alone(model: str, tmp_path: Path) -> None:
    finals = []
    for every in (1, 100):
        trainer = trainer_of(
            model, tmp_path / str(every), FixedWeights("balanced"), eval_steps=every, eval_temperature=1.0
        )
        trainer.train()
        finals.append((trainer.objectives[1].state_dict(), [p.detach() for p in trainer.model.parameters()]))
    (state, parameters), (state_once, parameters_once) = finals
    assert state == state_once
    assert all(torch.equal(a, b) for a, b in zip(parameters, parameters_once, strict=True))


def test_greedy_evaluation_repeats_itself_and_metrics_are_right(model: str, tmp_path: Path) -> None:
    trainer = trainer_of(model, tmp_path, FixedWeights("balanced"))
    first, second = trainer.evaluate(), trainer.evaluate()
    for name in ("digits", "conciseness", "letters"):
        assert first[f"eval_metrics/{name}"] == second[f"eval_metrics/{name}"]
    # A greedy completion of each prompt by hand.
    policy_itself, characters = trainer.model.eval(), tokenizer()
    texts, lengths = [], []
    for prompt in prompts(6)["prompt"]:
        ids = characters(prompt, return_tensors="pt", return_token_type_ids=False)
        out = policy_itself.generate(**ids, do_sample=False, max_new_tokens=10)[0, ids["input_ids"].shape[1] :].tolist()
        out = out[: out.index(1) + 1] if 1 in out else out
        texts.append(characters.decode(out, skip_special_tokens=True))
        lengths.append(len(out))
    assert first["eval_metrics/digits"] == pytest.approx(sum(digits(texts)) / 6)
    assert first["eval_metrics/conciseness"] == pytest.approx(sum(lengths) / 6)
    deviation = torch.tensor(digits(texts), dtype=torch.float64).std().item()
    assert first["eval_standard_error/digits"] == pytest.approx(deviation / math.sqrt(6))


def test_several_sampled_completions_are_pooled(model: str, tmp_path: Path) -> None:
    trainer = trainer_of(
        model, tmp_path, FixedWeights("balanced"), eval_temperature=1.0, num_generations_eval=4, eval_samples=4,
        max_steps=1,
    )  # fmt: skip
    trainer.train()
    [line] = read_evaluations(tmp_path)
    assert line["samples"] == 16
    assert line["standard_error"]["digits"] > 0
    assert line["tokens"] > read_steps(tmp_path)[-1]["tokens"]
    # One completion of each prompt is kept for people to read, with what was measured of it.
    shown = read_completions(tmp_path)
    assert [(kept["step"], kept["row"], kept["prompt"]) for kept in shown] == [
        (1, row, prompt) for row, prompt in enumerate(prompts(4)["prompt"])
    ]
    for kept in shown:
        assert kept["metrics"]["digits"] == pytest.approx(digits([kept["completion"]])[0])
    # The settings of the record make the same run.
    again = MultiObjectiveConfig(str(tmp_path), **read_run(tmp_path)["settings"])
    assert again.changed() == trainer.args.changed()
    assert (again.learning_rate, again.num_generations_eval, again.eval_steps) == (1e-2, 4, 1)


def test_without_bounds_there_is_no_hypervolume(model: str, tmp_path: Path) -> None:
    trainer = MultiObjectiveTrainer(
        model, [digits, brief], config(tmp_path), prompts(), prompts(6), weighting=FixedWeights([0.5, 0.5])
    )
    trainer.train()
    line = read_evaluations(tmp_path)[-1]
    assert line["hypervolume"] is None
    assert line["contribution"] is None
    assert set(line["metrics"]) == {"digits", "brief"}
    assert not (tmp_path / "pareto.json").exists()


# --- saving ----------------------------------------------------------------------------------------------


def test_checkpoints_on_the_front_are_kept(model: str, tmp_path: Path) -> None:
    trainer = trainer_of(
        model, tmp_path, FixedWeights("balanced"), max_steps=6, save_strategy="steps", save_steps=1, save_total_limit=1,
        front_checkpoints=2, learning_rate=5e-2,
    )  # fmt: skip
    trainer.train()
    front = read_front(tmp_path)["points"]
    there = {int(p.name.split("-")[1]) for p in tmp_path.glob("checkpoint-*")}
    kept = set(trainer.run_log.front_steps(2))
    assert kept <= there <= kept | {6, *kept}
    assert len(there) <= 3
    for point in front:
        assert (point["checkpoint"] is not None) == (point["step"] in there)


def test_loading_the_best_model_leaves_the_front_checkpoints(model: str, tmp_path: Path) -> None:
    """At the end Hugging Face's trainer deletes all but the best where ``save_total_limit`` is 1."""
    trainer = trainer_of(
        model, tmp_path, FixedWeights("balanced"), max_steps=6, save_strategy="steps", save_steps=1, save_total_limit=1,
        front_checkpoints=2, eval_temperature=1.0, load_best_model_at_end=True, metric_for_best_model="metrics/digits",
    )  # fmt: skip
    trainer.train()
    there = {int(p.name.split("-")[1]) for p in tmp_path.glob("checkpoint-*")}
    front = trainer.run_log.front_steps(2)
    assert len(front) == 2
    assert there == {*front, trainer.state.best_global_step, 6}
    assert trainer.args.save_total_limit == 1


@pytest.mark.parametrize("rule", [*rules(), GradientInfluence(method="realised")], ids=lambda rule: rule.name)
@pytest.mark.turns
def test_what_a_trainer_holds_ends_with_it(rule: WeightingRule, model: str, tmp_path: Path) -> None:
    """As with TRL's: the optimiser's state and the workers of data loaders do not wait for a garbage collection."""
    trainer = trainer_of(model, tmp_path, rule, max_steps=2, save_strategy="steps", save_steps=1)
    trainer.train()
    accelerator = trainer.accelerator
    held = [weakref.ref(one) for one in (trainer, trainer.optimizer, accelerator, *accelerator._dataloaders)]
    gc.collect()
    gc.disable()
    try:
        del trainer, accelerator
        assert [one() for one in held] == [None] * len(held)
    finally:
        gc.enable()


def test_a_second_run_does_not_go_over_the_first(model: str, tmp_path: Path) -> None:
    trainer_of(model, tmp_path, FixedWeights("balanced"), max_steps=1).train()
    before = (tmp_path / "steps.jsonl").read_text()
    with pytest.raises(FileExistsError, match="holds a run already"):
        trainer_of(model, tmp_path, FixedWeights("balanced"), max_steps=1).train()
    assert (tmp_path / "steps.jsonl").read_text() == before


def test_a_run_that_raises_says_so_in_its_record(model: str, tmp_path: Path) -> None:
    def broken(completions: list[str], **_: Any) -> list[float]:
        raise RuntimeError("no reward today")

    options = config(tmp_path, eval_strategy="no")
    trainer = MultiObjectiveTrainer(model, [broken], options, prompts(), weighting=FixedWeights([1.0]))
    with pytest.raises(RewardError, match="raised RuntimeError: no reward today"):
        trainer.train()
    assert read_run(tmp_path)["status"] == "failed"


def test_a_wrong_number_of_rewards_or_metrics_is_named(model: str, tmp_path: Path) -> None:
    def one(completions: list[str], **_: Any) -> list[float]:
        return [1.0]

    of = [Objective("digits", digits), Objective("one", one)]
    with pytest.raises(RewardError, match="function 'one' of objective 'one' returned 1 values for 8 completions"):
        trainer_of(model, tmp_path / "a", FixedWeights([0.5, 0.5]), of=of, eval_strategy="no").train()
    of = [Objective("digits", digits, metric=one)]
    with pytest.raises(RewardError, match="metric 'one' of objective 'digits' returned 1 values for 6 completions"):
        trainer_of(model, tmp_path / "b", FixedWeights([1.0]), of=of).evaluate()
