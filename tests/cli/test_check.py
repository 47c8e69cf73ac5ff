"""``paretune check`` on real batches of a tiny policy: what it says of rewards of which one knows what is wrong."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from paretune.choosing.check import Check, Seen
from paretune.cli import check, main
from paretune.cli.bad_input import BadInputError
from paretune.cli.command_line import read
from paretune.objectives import Objective
from paretune.tasks import Task
from paretune.tasks.source import TaskSource
from paretune.trainer import MultiObjectiveTrainer
from policies import brief, digits, prompts, saved_policy

REWARDS = """
def always(completions, **_):
    return [0.5] * len(completions)

def of_prompt(prompts, **_):
    return [len(p) for p in prompts]

def long(completion_ids, **_):
    return [float(len(ids)) for ids in completion_ids]

def short(completion_ids, **_):
    return [8.0 - len(ids) for ids in completion_ids]

def wrong(completions, **_):
    return [1.0]
"""
SMALL = [
    "--num_generations", "4", "--max_completion_length", "8", "--per_device_train_batch_size", "16",
    "--batches", "1", "--seed", "3",
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a policy, data and rewards of the user's own."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "check_rewards.py").write_text(REWARDS)
    saved_policy(folder / "policy")
    for split in ("train", "test"):
        prompts().to_parquet(folder / "data" / f"{split}.parquet")
    return folder


def own(*rewards: str) -> list[str]:
    names = [f"check_rewards.{name}" for name in rewards]
    return ["--reward_funcs", *names, "--dataset_name", "data", "--model_name_or_path", "policy", *SMALL]


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_what_is_wrong_is_said(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("COLUMNS", "160")
    before = contents(home)
    extra = ["--output_dir", "mine", "--learning_rate", "1e-2", "--save_strategy", "steps", "--save_steps", "1"]
    assert main(["check", *own("always", "of_prompt", "long", "short"), *extra]) == 0
    assert contents(home) == before  # nothing is written, neither to the user's output_dir
    text = capsys.readouterr().out
    assert "batch 1/7: plain step" in text
    assert "batch 7/7: crossed-exact influence" in text
    for title in (
        "rewards of 112 completions of the initial policy",
        "what they teach",
        "their metrics",
        "pairs of objectives",
        "cost of",
    ):
        assert title in text
    said = [line for line in text[text.rindex("crossed-exact influence  ") :].splitlines()[1:] if line.strip()]
    assert said[0] == "always never varies: its reward is always 0.5, and it gives no gradient."
    assert said[1].startswith("of_prompt never varies within a group: it gives no gradient; its rewards go from ")
    assert said[2].startswith("100 % of the groups give no gradient")  # long and short cancel in the weighted sum
    assert said[3] == "long and short oppose each other: gradient cosine −1.00."
    assert any("truncated at max_completion_length" in line for line in said)
    assert any(line.startswith("no hypervolume without bounds of always, of_prompt, long, short; ") for line in said)
    assert re.fullmatch(
        r"a plain training step takes [\d.]+ s; [\d.]+ times with an evaluation in every batch, [\d.]+ times with the "
        r"realised influence, [\d.]+ times with the directional influence, [\d.]+ times with the exact influence, "
        r"[\d.]+ times with the crossed influence, [\d.]+ times with the crossed-exact influence\.",
        said[-2],
    )
    assert said[-1].startswith("suggested rule: nash; tour for a front to choose from. ")
    assert "What never varies gets no weight: always, of_prompt." in said[-1]


def test_the_policy_stays_and_metrics_belong_to_their_batches(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The policy after the batches is the one before; and what is a multiple of a reward is one in every row."""
    trainers: list[MultiObjectiveTrainer] = []
    batches: list[Seen] = []
    make, examine = check.make_trainer, check.examine

    def watched(*args: Any) -> MultiObjectiveTrainer:
        trainers.append(make(*args))
        weights.append([p.detach().clone() for p in trainers[0].model.parameters()])
        return trainers[0]

    def kept(seen: list[Seen], **keywords: Any) -> Check:
        batches.extend(seen)
        return examine(seen, **keywords)

    def doubled(completions: list[str], **_: Any) -> list[float]:
        return [2 * value for value in digits(completions)]

    weights: list[list[torch.Tensor]] = []
    objectives = [
        Objective("digits", digits, metric=doubled, bounds=(0, 2)),
        Objective("brief", brief, gate=("digits", 0.5)),
    ]
    task = Task("own", prompts(), prompts(), prompts(), objectives, model=str(home / "policy"))
    monkeypatch.setattr(check, "make_trainer", watched)
    monkeypatch.setattr(check, "examine", kept)
    monkeypatch.setattr("paretune.cli.settings.load_task", lambda *_: (task, TaskSource({}, {}, {})))
    monkeypatch.chdir(tmp_path)
    # Two updates a batch, and more of them than one batch gives.
    flags = [*SMALL, "--per_device_train_batch_size", "8", "--steps_per_generation", "2", "--batches", "2"]
    flags += ["--lr_scheduler_type", "cosine_with_min_lr", "--lr_scheduler_kwargs", '{"min_lr": 1e-2}']
    assert main(["check", *flags, "--gradient_accumulation_steps", "1", "--weight_decay", "0.1"]) == 0
    [trainer] = trainers
    assert trainer.state.global_step == 24
    for before, after in zip(weights[0], trainer.model.parameters(), strict=True):
        assert torch.equal(before, after)
    assert len(batches) == 12
    assert [batch.gramian is not None for batch in batches] == [False] * 6 + [True] * 2 + [False] * 4
    assert [batch.noise is not None for batch in batches] == [False] * 10 + [True] * 2
    assert [batch.metrics is None for batch in batches] == [False, True, *[False] * 10]
    for batch in batches:
        assert batch.rewards.shape == (16, 2)
        assert batch.weights.tolist() == [0.5, 0.5]
        if batch.metrics is not None:
            assert batch.metrics[:, 0] == pytest.approx(2 * batch.rewards[:, 0], abs=1e-6)
            assert np.array_equal(batch.metrics[:, 1], batch.rewards[:, 1])  # its metric is its gated reward


@pytest.mark.parametrize(
    ("rule", "weights"),
    [
        (["--rule", "fixed", "--weights", "0.9,0.1"], "0.9, 0.1"),
        (["--rule", "pama", "--algorithm", "reinforce++"], None),
        (
            ["--rule", "gradient", "--rule_settings", '{"method": "exact", "clip_norm": 1.0}', "--beta", "0.1"],
            "0.5, 0.5",
        ),
    ],
)
@pytest.mark.turns
def test_other_rules(
    rule: list[str],
    weights: str | None,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["check", *own("long", "short"), *rule]) == 0
    text = capsys.readouterr().out
    assert weights is None or f"the sum's weights: {weights}" in text
    assert "opposed" in text
    assert ("batches without signal" in text) == ("reinforce++" in rule)


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--help"]) == 0
    text = capsys.readouterr().out
    assert "usage: paretune check" in text
    assert "--batches N" in text


@pytest.fixture
def refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.chdir(home)

    def attempt(*argv: str) -> str:
        before = contents(home)
        with pytest.raises(BadInputError) as raised:
            check.run(read("check", argv))
        assert contents(home) == before
        return str(raised.value)

    return attempt


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--batches", "0"], "--batches must be 1 or more, got 0"),
        (["--batches=many"], "invalid int value: 'many'"),
        (["--batches"], "expected one argument"),
        (["--task", "poetry"], "unknown task 'poetry'"),
        (["--lerning_rate", "1"], "unknown flag --lerning_rate: did you mean learning_rate?"),
        (["--rule", "lagrangian"], "needs maximize"),
        (own("missing"), "check_rewards.missing"),
        (own("wrong"), "'wrong' returned 1 values for 16 completions"),
        ([*own("long"), "--rule", "hypervolume", "--weights", "1"], "needs bounds of every objective's metric"),
    ],
)
def test_refused(argv: list[str], expected: str, refused: Callable[..., str]) -> None:
    assert expected in refused(*argv)


@pytest.mark.slow
def test_arithmetic(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--task", "arithmetic"]) == 0
    text = capsys.readouterr().out
    assert "conciseness and clarity oppose each other" in text
    assert list(tmp_path.iterdir()) == []
