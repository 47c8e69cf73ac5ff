"""The same batch on one process and on two, under DDP, FSDP2 and DeepSpeed: the same influence, the same weights."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from policies import saved_policy
from trainer.on_two import ON_CPUS, on_two
from trainer.run_set_completions import train

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
SHARED = [
    "ddp",
    pytest.param("fsdp by transformers", marks=pytest.mark.slow),
    pytest.param("fsdp by accelerate", marks=pytest.mark.slow),
]
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


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


def runs_of(out: Path, rules: list[str], accumulations: dict[str, dict[str, Any]], processes: int) -> list[Path]:
    """A folder for each rule and accumulation, with the settings of its run."""
    runs = []
    for rule in rules:
        for name, options in accumulations.items():
            runs.append(out / rule / name)
            runs[-1].mkdir(parents=True)
            size = options["per_device_train_batch_size"] * 2 // processes
            settings = {"rule": RULES[rule], "options": {**options, "per_device_train_batch_size": size}}
            (runs[-1] / "settings.json").write_text(json.dumps(settings))
    return runs


def launch(
    how: str, model: str, out: Path, rules: list[str], accumulations: dict[str, dict[str, Any]] = ACCUMULATION
) -> None:
    """One launch of two processes that trains with each rule and accumulation, each in a folder of its own."""
    runs = runs_of(out, rules, accumulations, 2)
    said = on_two("run_set_completions.py", model, how, *runs, environment=LAUNCHES[how])
    (out / "stderr").write_text(said)


def kept(out: Path, rule: str, accumulation: str, rank: int = 0) -> list[dict[str, Any]]:
    return json.loads((out / rule / accumulation / f"kept-{rank}.json").read_text())


def parameters(out: Path, rule: str, accumulation: str, rank: int = 0) -> list[torch.Tensor]:
    return torch.load(out / rule / accumulation / f"parameters-{rank}.pt")


@pytest.fixture(scope="module")
def alone(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone")
    for run in runs_of(out, list(RULES), ACCUMULATION, 1):
        train(model, run, "alone")
    return out


@pytest.mark.parametrize("how", SHARED)
def test_two_processes_measure_what_one_does(how: str, model: str, alone: Path, tmp_path: Path) -> None:
    launch(how, model, tmp_path, list(RULES))
    for rule in RULES:
        for accumulation in ACCUMULATION:
            assert kept(tmp_path, rule, accumulation, 0) == kept(tmp_path, rule, accumulation, 1)
            pairs = zip(kept(tmp_path, rule, accumulation), kept(alone, rule, accumulation), strict=True)
            for batch, (two, one) in enumerate(pairs):
                assert two["method"] == one["method"]
                if one["influence"] is not None:
                    # From the second batch on the policies differ by float32's rounding, which a difference of
                    # log-probabilities brings out.
                    tolerance = 1e-2 if rule in ("directional", "crossed") and batch > 0 else 1e-4
                    assert distance(two["influence"], one["influence"]) < tolerance, (rule, accumulation, batch)
                    assert distance(two["weights"], one["weights"]) < tolerance
            for a, b in zip(
                parameters(tmp_path, rule, accumulation, 0), parameters(tmp_path, rule, accumulation, 1), strict=True
            ):
                assert torch.equal(a, b)


def distance(a: list[float], b: list[float]) -> float:
    difference = torch.tensor(a, dtype=torch.float64) - torch.tensor(b, dtype=torch.float64)
    return float(difference.norm() / torch.tensor(b, dtype=torch.float64).norm())


@pytest.mark.slow
def test_gradients_that_fsdp_has_not_reduced_yet_are_left_alone(model: str, tmp_path: Path) -> None:
    launch("fsdp by transformers", model, tmp_path, ["directional"], {"within a window": WITHIN_A_WINDOW})
    batches = kept(tmp_path, "directional", "within a window")
    assert batches == kept(tmp_path, "directional", "within a window", 1)
    assert [batch["method"] for batch in batches] == [None, None, "realised", None]  # after the first update of two
    assert "batches that begin inside an accumulation window" in (tmp_path / "stderr").read_text()


@pytest.mark.slow
def test_where_fsdp_computes_in_bfloat16_the_influence_is_exact(model: str, alone: Path, tmp_path: Path) -> None:
    at_once = {"at once": ACCUMULATION["at once"]}
    launch("fsdp in bfloat16", model, tmp_path, ["directional", "realised"], at_once)
    first, one = kept(tmp_path, "directional", "at once")[0], kept(alone, "exact", "at once")[0]
    assert first["method"] == "exact"
    assert distance(first["influence"], one["influence"]) < 0.02
    said = (tmp_path / "stderr").read_text()
    assert "'directional' cannot be used here: FSDP computes in torch.bfloat16" in said
    assert "the realised influence is mostly rounding here: FSDP computes in torch.bfloat16" in said


@pytest.mark.slow  # DeepSpeed is no dependency of the other tests: `make test-slow` installs it
@pytest.mark.parametrize("how", ["zero2", "zero3"])
def test_deepspeed_gets_the_realised_influence(how: str, model: str, alone: Path, tmp_path: Path) -> None:
    pytest.importorskip("deepspeed", reason="needs deepspeed: pip install paretune[deepspeed]")
    asked = {"zero2": "directional", "zero3": "realised"}[how]
    launch(how, model, tmp_path, [asked])
    for accumulation in ACCUMULATION:
        two, one = kept(tmp_path, asked, accumulation), kept(alone, "realised", accumulation)
        assert [batch["method"] for batch in two] == [batch["method"] for batch in one] == [None, "realised"]
        assert distance(two[1]["influence"], one[1]["influence"]) < 1e-3
    said = "'directional' cannot be used here: DeepSpeed runs the backward pass itself."
    assert (said in (tmp_path / "stderr").read_text()) == (asked == "directional")
