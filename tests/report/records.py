"""Run and comparison directories with made-up figures, as docs/run-directory.md describes them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import exp, prod
from pathlib import Path
from random import Random
from typing import Any

from paretune.comparison.statistics import estimate, paired
from paretune.pareto import ParetoArchive, worst_corner
from paretune.record.json_lines import to_line
from paretune.record.run_directory import FINAL as MEASURED_AGAIN

OBJECTIVES: list[dict[str, Any]] = [
    {"name": "accuracy", "maximize": True, "bounds": [0.0, 1.0]},
    {"name": "conciseness", "maximize": False, "bounds": [0.0, 60.0]},
    {"name": "clarity", "maximize": True, "bounds": [0.0, 1.0]},
]
START = {"accuracy": 0.35, "conciseness": 27.0, "clarity": 0.2}
HOSTILE = (
    "</script><script>window.pwned = 1</script><img src=x onerror='pwned = 2'><a href='javascript:pwned=3'>x</a> "
    "<b>bold</b> {{ 7 * 7 }} %{x} \u202egnissem \x00\x1b[31m <!-- \ud800 &lt;i&gt; ]]> http://example.invalid/x.png"
)


@dataclass(frozen=True)
class Arm:
    """What a rule is taken to lead to: the metrics that its runs approach."""

    name: str
    rule: str
    end: Mapping[str, float]
    settings: Mapping[str, Any] = field(default_factory=dict)


ARMS = (
    Arm(
        "balanced", "fixed", {"accuracy": 0.63, "conciseness": 44.0, "clarity": 0.8}, {"weights": [0.334, 0.333, 0.333]}
    ),
    Arm("accuracy", "fixed", {"accuracy": 0.78, "conciseness": 41.0, "clarity": 0.25}, {"weights": [0.5, 0.25, 0.25]}),
    Arm("gradient", "gradient", {"accuracy": 0.7, "conciseness": 40.0, "clarity": 0.85}, {"mu": 5e-4}),
    Arm(
        "hypervolume",
        "hypervolume",
        {"accuracy": 0.66, "conciseness": 43.0, "clarity": 0.78},
        {"weights": [0.4, 0.3, 0.3]},
    ),
)

STEERABLE = Arm("steerable", "steerable", {"accuracy": 0.6, "conciseness": 42.0, "clarity": 0.6})


def write_run(
    directory: Path,
    arm: Arm = ARMS[2],
    *,
    seed: int = 0,
    steps: int = 40,
    every: int = 10,
    answer: str = "12+30=42.",
    measured_again: bool = False,
    objectives: Sequence[Mapping[str, Any]] = OBJECTIVES,
) -> Path:
    """Write a finished run."""
    directory.mkdir(parents=True)
    random = Random(f"{arm.name} {seed}")
    (directory / "run.json").write_text(
        json.dumps(header(arm, seed=seed, steps=steps, every=every) | {"objectives": objectives})
    )
    weights = list(arm.settings.get("weights", [1 / 3] * 3))
    lines = []
    for step in range(1, steps + 1):
        influence = None
        if arm.rule == "gradient":
            influence = {
                o["name"]: random.gauss(mean, 0.03) for o, mean in zip(objectives, (0.1, -0.05, 0.06), strict=False)
            }
            weights = [w * exp(0.1 * i) for w, i in zip(weights, influence.values(), strict=False)]
            weights = [w / sum(weights) for w in weights]
        line = {
            "batch": step,
            "step": step,
            "weights": {o["name"]: w for o, w in zip(objectives, weights, strict=False)},
            "scale": random.choice([0.5, 0.8, 1.2, 1.7]) if arm.rule == "hypervolume" else 1.0,
            "rewards": {},
            "influence": influence,
            "tokens": 4000 * step,
            "seconds": {"total": random.uniform(2.0, 3.0)},
        }
        lines.append(to_line(line))
    (directory / "steps.jsonl").write_text("".join(lines))
    evaluations, completions = [], []
    bounds = [tuple(o["bounds"]) for o in OBJECTIVES]
    maximize = [o["maximize"] for o in OBJECTIVES]
    archive = ParetoArchive(maximize, worst_corner(maximize, bounds), bounds)
    for step in range(0, steps + 1, every):
        values = metrics(arm, step, random)
        added = archive.add(list(values.values()), step)
        evaluations.append(
            {
                "batch": step, "step": step, "metrics": values, "standard_error": errors(), "samples": 192,
                "purpose": "grid", "contribution": added, "hypervolume": archive.hypervolume,
                "on_front": step in archive.steps,
            }
        )  # fmt: skip
        completions += [
            {"step": step, "row": row, "prompt": f"{row}+30=?\n", "completion": answer, "metrics": {"accuracy": 1.0}}
            for row in range(3)
        ]
    (directory / "evaluations.jsonl").write_text("".join(map(to_line, evaluations)))
    (directory / "completions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in completions))
    points = [
        {"step": step, "metrics": dict(zip(START, point.tolist(), strict=True)), "checkpoint": f"checkpoint-{step}"}
        for point, step in zip(archive.points, archive.steps, strict=True)
    ]
    (directory / "pareto.json").write_text(json.dumps({"reference": [], "bounds": [], "points": points}))
    if measured_again:
        chosen = sorted({*(step for step in archive.steps if step), steps})
        again = [
            {
                "step": step, "split": "test", "decoding": decoding, "temperature": 1.0, "samples": 512, "prompts": 512,
                "seed": seed,
                "metrics": metrics(arm, step, random), "standard_error": errors(), "front": step in archive.steps,
                "final": step == steps,
            }
            for step in chosen
            for decoding in ("sampled", "greedy")
        ]  # fmt: skip
        if arm.rule == "steerable":
            again += [{**again[-2], "metrics": at, "priorities": told} for told, at in dial(seed)]
        (directory / MEASURED_AGAIN).write_text("".join(map(to_line, again)))
    return directory


def header(arm: Arm, *, seed: int, steps: int, every: int) -> dict[str, Any]:
    """A run.json."""
    return {
        "schema": 1, "status": "finished", "started": "2026-11-23T21:25:34+00:00", "ended": "2026-11-23T21:28:04+00:00",
        "task": "arithmetic", "rule": {"name": arm.rule, "settings": dict(arm.settings)}, "algorithm": "grpo",
        "initial_weights": dict(zip(START, arm.settings.get("weights", [1 / 3] * 3), strict=True)),
        "objectives": OBJECTIVES, "model": "some/model", "seed": seed, "max_steps": steps,
        "generation": {"max_completion_length": 60, "temperature": 1.0},
        "evaluation": {"samples": 192, "temperature": 1.0, "every": every},
        "settings": {"learning_rate": 1e-6, "eval_steps": every}, "threads": 1, "versions": {"paretune": "0.1.0"},
    }  # fmt: skip


def metrics(arm: Arm, step: int, random: Random) -> dict[str, float]:
    """What a policy of that step measures, with noise."""
    way = 1 - exp(-step / 15)
    return {
        name: START[name] + way * (arm.end[name] - START[name]) + random.gauss(0, error)
        for name, error in errors().items()
    }


def dial(seed: int) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Priorities, and the metrics of a policy that obeys them: a gain is half its priority, a little more by seed."""
    measured = []
    for shares in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.5, 0.5, 0.0), (0.0, 0.5, 0.5)):
        told = dict(zip(START, shares, strict=True))
        gains = {name: 0.5 * share + 0.01 * seed for name, share in told.items()}
        up = {o["name"]: gains[o["name"]] if o["maximize"] else 1 - gains[o["name"]] for o in OBJECTIVES}
        measured.append((told, {o["name"]: up[o["name"]] * o["bounds"][1] for o in OBJECTIVES}))
    return measured


def errors() -> dict[str, float]:
    """Standard errors."""
    return {"accuracy": 0.03, "conciseness": 1.1, "clarity": 0.02}


def volume(values: Mapping[str, float]) -> float:
    """What a single policy dominates."""
    return prod(
        (values[o["name"]] - o["bounds"][0] if o["maximize"] else o["bounds"][1] - values[o["name"]])
        / (o["bounds"][1] - o["bounds"][0])
        for o in OBJECTIVES
    )


def write_comparison(
    directory: Path, *, arms: Sequence[Arm] = ARMS, seeds: int = 4, steps: int = 40, answer: str = "12+30=42."
) -> Path:
    """Write a comparison with its runs and its summary."""
    directory.mkdir(parents=True)
    rules = {}
    reached: dict[str, list[float]] = {}
    for arm in arms:
        runs = []
        for seed in range(seeds):
            name = f"{arm.name}-grpo-seed{seed}"
            write_run(directory / name, arm, seed=seed, steps=steps, measured_again=True, answer=answer)
            runs.append(_outcome(directory / name, name, seed))
        reached[arm.name] = [run["hypervolume"] for run in runs]
        rules[arm.name] = _entry(arm, runs)
    for label in ("gradient", "hypervolume"):
        rules[label]["versus_best_fixed"] = _contrast(label, "balanced", reached, "secondary")
    (directory / "comparison.json").write_text(
        json.dumps({"schema": 1, "task": "arithmetic", "seeds": list(range(seeds))})
    )
    (directory / "summary.json").write_text(
        json.dumps(
            {
                "schema": 1, "task": "arithmetic", "model": "some/model", "max_steps": steps, "algorithms": ["grpo"],
                "seeds": list(range(seeds)), "objectives": OBJECTIVES,
                "protocol": {"split": "test", "samples": 512, "temperature": 1.0, "grid": 10, "tuning_seeds": [1000]},
                "primary": _contrast("gradient", "balanced", reached, "primary"),
                "contrasts": [
                    _contrast("hypervolume", "balanced", reached, "secondary"),
                    _contrast("gradient", "hypervolume", reached, "exploratory"),
                    _contrast("gradient", "accuracy", reached, "exploratory") | {"figure": "final_hypervolume"},
                ],
                "rules": rules, "incomplete": ["gradient, seed 9: the run failed"],
            }
        )
    )  # fmt: skip
    return directory


def _outcome(directory: Path, name: str, seed: int) -> dict[str, Any]:
    lines = [json.loads(line) for line in (directory / MEASURED_AGAIN).read_text().splitlines()]
    last = lines[-1]["metrics"]
    best = max(volume(line["metrics"]) for line in lines)
    return {
        "seed": seed, "directory": name, "status": "finished", "hypervolume": best,
        "hypervolume_greedy": 0.3, "final_hypervolume": volume(last), "final": last, "tokens": 160000, "forward": 80.0,
        "backward": 80.0, "seconds": 100.0 + seed, "front_mean": last, "steps_to_front": 20.0,
    }  # fmt: skip


def _entry(arm: Arm, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    def of(key: str) -> dict[str, Any]:
        return asdict(estimate([run[key] for run in runs]))

    finals = {name: asdict(estimate([run["final"][name] for run in runs])) for name in START}
    return {
        "arm": arm.name, "rule": arm.rule, "settings": dict(arm.settings), "algorithm": "grpo",
        "description": f"the {arm.rule} rule", "seeds": [run["seed"] for run in runs], "failed": [], "runs": list(runs),
        "hypervolume": of("hypervolume"), "hypervolume_greedy": of("hypervolume_greedy"),
        "final_hypervolume": of("final_hypervolume"), "objectives": finals, "objectives_greedy": finals,
        "versus_best_fixed": {"difference": None, "low": None, "high": None, "reason": "it is the best fixed"},
        "cost": {key: of(key) for key in ("tokens", "forward", "backward", "seconds")},
        "time_to_target": {
            "target": 0.15, "reached": 0.75, "n": len(runs), "step": of("steps_to_front"), "tokens": of("tokens"),
            "seconds": of("seconds"),
        },
        "at_equal_cost": None if arm.rule == "fixed" else {"against": "balanced", "runs": 1.5, "hypervolume": 0.123},
        "reproduction": {
            "front_mean": {name: {"mean": finals[name]["mean"], "sd": 0.02, "null_sd": 0.01} for name in START},
            "steps_to_front": {"mean": 20.0, "sd": 3.0, "null_sd": 5.5},
        },
        "dial": {
            name: {key: asdict(estimate([0.9, 0.8, 0.95])) for key in ("correlation", "monotone", "range", "covered")}
            for name in START
        } if arm.rule == "steerable" else None,
        "tuning": {
            "configurations": [
                {"settings": {"rule_settings": {"mu": mu}}, "hypervolume": 0.2 + mu, "test": 0.19 + mu}
                for mu in (0.01, 0.03, 0.02)
            ],
            "chosen": 1,
            "expected_best": [{"configurations": m, "hypervolume": 0.2 + m / 100, "tokens": 1e5} for m in (1, 2, 3)],
            "sweep": {"hypervolume": of("hypervolume"), "apart": [0, 2]},
        } if arm.rule == "gradient" else None,
    }  # fmt: skip


def _contrast(a: str, b: str, reached: Mapping[str, list[float]], kind: str) -> dict[str, Any]:
    found = asdict(paired(reached[a], reached[b]))
    return {"rule": a, "against": b, "figure": "hypervolume", "kind": kind, **found, "p_holm": found["p_t"]}
