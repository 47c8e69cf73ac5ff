"""Names, settings and counts as the report writes them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paretune.record.entries import Evaluation, Objective
from paretune.record.fields import finite
from paretune.record.figures import NONE, with_error


def duration(seconds: float | None) -> str:
    """Seconds as people say them."""
    if seconds is None:
        return NONE
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def plural(count: int, thing: str, things: str | None = None) -> str:
    """A count with its noun."""
    return f"{count} {thing if count == 1 else things or thing + 's'}"


def joined(parts: Iterable[str]) -> str:
    """Parts as in a sentence."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def direction(objective: Objective) -> str:
    """An axis's title: the objective, and a word where less is better."""
    return objective.name if objective.maximize else f"{objective.name} (less is better)"


def rule_name(name: str, settings: Mapping[str, Any]) -> str:
    """A rule by its name and settings, in a few words."""
    weights = settings.get("weights")
    if name == "fixed" and isinstance(weights, str) and weights:
        return f"fixed weights, {weights}"
    if name == "fixed" and isinstance(weights, list) and weights:
        known = map(finite, weights)
        return "fixed weights " + ", ".join(f"{w:g}" if w is not None else NONE for w in known)
    return f"{name or 'unknown'} rule"


def compact(settings: Mapping[str, Any]) -> str:
    """Settings in one line, without those that are not set."""
    return ", ".join(f"{key} {_plain(value)}" for key, value in settings.items() if value is not None) or NONE


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_plain, value)) + "]"
    return compact(value) if isinstance(value, dict) else str(value)


def measured(evaluation: Evaluation, objectives: Sequence[Objective]) -> list[str]:
    """An evaluation's values with their standard errors, a line each."""
    return [f"{o.name} {with_error(evaluation.metrics.get(o.name), evaluation.errors.get(o.name))}" for o in objectives]


def model_name(model: str | None, task: str | None) -> str | None:
    """The model of a run or a comparison; None for the policy that its task brings along."""
    own = bool(task) and (model or "").replace("\\", "/").endswith(f"paretune/tasks/{task}/policy")
    return None if own else model or ""
