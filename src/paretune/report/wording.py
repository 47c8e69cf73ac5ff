"""Numbers and names as the report writes them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paretune.record.entries import Evaluation, Objective
from paretune.record.fields import finite

MINUS = "−"
NONE = "–"


def figure(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits, or a dash."""
    if value is None:
        return NONE
    size = abs(value)
    if size >= 10_000:
        written = f"{value:,.0f}".replace(",", "\u202f")  # a narrow space where no line ends
    elif size >= 100:
        written = f"{value:.{max(digits - 3, 0)}f}"
    elif size >= 10:
        written = f"{value:.{max(digits - 2, 0)}f}"
    elif size >= 0.01 or size == 0:
        written = f"{value:.{digits}f}"
    else:
        written = f"{value:.{max(digits - 1, 1)}g}"
    return written.replace("-", MINUS)


def signed(value: float | None) -> str:
    """A difference, with its sign."""
    return f"+{figure(value)}" if value is not None and value > 0 else figure(value)


def interval(low: float | None, high: float | None) -> str:
    """An interval, or a dash."""
    return NONE if low is None or high is None else f"{figure(low)} to {figure(high)}"


def difference(mean: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    """A difference and its interval, all to the place of the second digit of the interval's half width.

    Without an interval, or with one of no width, each is written by its own size.
    """
    if mean is None or low is None or high is None or high - low < 1e-5:
        return signed(mean), interval(low, high)
    decimals = max(1 - math.floor(math.log10((high - low) / 2)), 0)
    found, *ends = (f"{value:z.{decimals}f}".replace("-", MINUS) for value in (mean, low, high))
    return f"+{found}" if round(mean, decimals) > 0 else found, " to ".join(ends)


def with_error(value: float | None, error: float | None) -> str:
    """A value and its standard error, where there is one, to the same decimal place."""
    if value is None or error is None:
        return figure(value)
    decimals = len(figure(value).partition(".")[2])
    return f"{figure(value)} ± {error:.{decimals}f}"


def p_value(value: float | None) -> str:
    """A p-value, or that it is small."""
    return "< 0.001" if value is not None and value < 0.001 else figure(value)


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
