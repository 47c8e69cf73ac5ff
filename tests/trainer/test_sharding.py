"""The same batch on one process and on two, under DDP, FSDP2 and DeepSpeed: the same influence, the same weights."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from policies import saved_policy
from trainer.on_two import ON_CPUS, on_two
from trainer.run_set_completions import train_each

LAUNCHES: dict[str, dict[str, str]] = {
    "ddp": ON_CPUS,
    "fsdp by transformers": ON_CPUS,
    "fsdp in bfloat16": ON_CPUS,
    "fsdp by accelerate": {
        **ON_CPUS,
        "ACCELERATE_USE_FSDP": "true",
        "FSDP_VERSION": "2",
        "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    },
    "zero2": {"DS_ACCELERATOR": "cpu"},
    "zero3": {"DS_ACCELERATOR": "cpu"},
}
"""How two processes are started, by the environment variables that accelerate's launcher sets."""
RULES: dict[str, dict[str, Any]] = {
    "exact": {"method": "exact", "mu": 1e-2},
    "clipped": {"method": "exact", "mu": 1e-2, "clip_norm": 0.5},
    "directional": {"method": "directional", "mu": 1e-2},
    "realised": {"method": "realised", "mu": 1.0},
    "crossed": {"method": "crossed", "mu": 1e-2},
    "crossed-exact": {"method": "crossed-exact", "mu": 1e-2},
}
ACCUMULATION = {
    "at once": {"per_device_train_batch_size": 4},
    "accumulated": {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2},
    "uncertain tokens": {"per_device_train_batch_size": 4, "top_entropy_quantile": 0.5},
}
WITHIN_A_WINDOW = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "steps_per_generation": 1}
"""Every other batch begins with gradients of the one before it still unreduced."""
OPTIONS = {**ACCUMULATION, "within a window": WITHIN_A_WINDOW}
Run = tuple[str, str]
"""A rule and the options of its training."""
ALL: list[Run] = list(product(RULES, ACCUMULATION))
EACH_ONCE: list[Run] = list(zip(RULES, [*ACCUMULATION, *reversed(ACCUMULATION)], strict=True))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


def folders_of(out: Path, runs: list[Run], processes: int) -> list[Path]:
    """A folder for each run, with its settings."""
    folders = []
    for rule, name in runs:
        folders.append(out / rule / name)
        folders[-1].mkdir(parents=True)
        size = OPTIONS[name]["per_device_train_batch_size"] * 2 // processes
        settings = {"rule": RULES[rule], "options": {**OPTIONS[name], "per_device_train_batch_size": size}}
        (folders[-1] / "settings.json").write_text(json.dumps(settings))
    return folders


def launch(how: str, model: str, out: Path, runs: list[Run]) -> str:
    """Train on two processes, one run after the other, each in a folder of its own; what was said."""
    return on_two(train_each, model, how, *folders_of(out, runs, 2), environment=LAUNCHES[how])


def alone(model: str, out: Path, runs: list[Run]) -> Path:
    """The same runs on this process; their folder."""
    train_each(model, "alone", *folders_of(out / "alone", runs, 1))
    return out / "alone"


def kept(out: Path, rule: str, accumulation: str, rank: int = 0) -> list[dict[str, Any]]:
    return json.loads((out / rule / accumulation / f"kept-{rank}.json").read_text())


def parameters(out: Path, rule: str, accumulation: str, rank: int = 0) -> list[torch.Tensor]:
    return torch.load(out / rule / accumulation / f"parameters-{rank}.pt")


@pytest.mark.parametrize(
    ("how", "runs"),
    [
        ("ddp", EACH_ONCE),
        pytest.param("ddp", ALL, marks=pytest.mark.slow),
        pytest.param("fsdp by transformers", ALL, marks=pytest.mark.slow),
        pytest.param("fsdp by accelerate", ALL, marks=pytest.mark.slow),
    ],
    ids=["ddp", "ddp, all", "fsdp by transformers", "fsdp by accelerate"],
)
def test_two_processes_measure_what_one_does(how: str, runs: list[Run], model: str, tmp_path: Path) -> None:
    launch(how, model, tmp_path, runs)
    by_one = alone(model, tmp_path, runs)
    for run in runs:
        assert kept(tmp_path, *run, rank=0) == kept(tmp_path, *run, rank=1)
        for batch, (two, one) in enumerate(zip(kept(tmp_path, *run), kept(by_one, *run), strict=True)):
            assert two["method"] == one["method"]
            if one["influence"] is not None:
                # A difference of log-probabilities brings out float32's rounding: over half of the rows in any batch,
                # and from the second batch on, where the policies differ by it, over all.
                rounded = run[0] == "crossed" or (run[0] == "directional" and batch > 0)
                tolerance = 1e-2 if rounded else 1e-4
                assert distance(two["influence"], one["influence"]) < tolerance, (run, batch)
                assert distance(two["weights"], one["weights"]) < tolerance
        for a, b in zip(parameters(tmp_path, *run, rank=0), parameters(tmp_path, *run, rank=1), strict=True):
            assert torch.equal(a, b)


def distance(a: list[float], b: list[float]) -> float:
    difference = torch.tensor(a, dtype=torch.float64) - torch.tensor(b, dtype=torch.float64)
    return float(difference.norm() / torch.tensor(b, dtype=torch.float64).norm())


@pytest.mark.slow
def test_gradients_that_fsdp_has_not_reduced_yet_are_left_alone(model: str, tmp_path: Path) -> None:
    run = ("directional", "within a window")
    said = launch("fsdp by transformers", model, tmp_path, [run])
    batches = kept(tmp_path, *run)
    assert batches == kept(tmp_path, *run, rank=1)
    assert [batch["method"] for batch in batches] == [None, None, "realised", None]  # after the first update of two
    assert "batches that begin inside an accumulation window" in said


@pytest.mark.slow
def test_where_fsdp_computes_in_bfloat16_the_influence_is_exact(model: str, tmp_path: Path) -> None:
    said = launch("fsdp in bfloat16", model, tmp_path, [("directional", "at once"), ("realised", "at once")])
    by_one = alone(model, tmp_path, [("exact", "at once")])
    first, one = kept(tmp_path, "directional", "at once")[0], kept(by_one, "exact", "at once")[0]
    assert first["method"] == "exact"
    assert distance(first["influence"], one["influence"]) < 0.02
    assert "'directional' cannot be used here: FSDP computes in torch.bfloat16" in said
    assert "the realised influence is mostly rounding here: FSDP computes in torch.bfloat16" in said


@pytest.mark.slow  # DeepSpeed is no dependency of the other tests: `make test-slow` installs it
@pytest.mark.parametrize("how", ["zero2", "zero3"])
def test_deepspeed_gets_the_realised_influence(how: str, model: str, tmp_path: Path) -> None:
    pytest.importorskip("deepspeed", reason="needs deepspeed: pip install paretune[deepspeed]")
    asked = {"zero2": "directional", "zero3": "realised"}[how]
    said = launch(how, model, tmp_path, [(asked, name) for name in ACCUMULATION])
    by_one = alone(model, tmp_path, [("realised", name) for name in ACCUMULATION])
    for name in ACCUMULATION:
        two, one = kept(tmp_path, asked, name), kept(by_one, "realised", name)
        assert [batch["method"] for batch in two] == [batch["method"] for batch in one] == [None, "realised"]
        assert distance(two[1]["influence"], one[1]["influence"]) < 1e-3
    expected = "'directional' cannot be used here: DeepSpeed runs the backward pass itself."
    assert (expected in said) == (asked == "directional")
