"""What an objective is, and the rewards of the paper (Lu et al., arXiv 2509.11452).

A reward is anything TRL takes: a function called with keywords (``prompts``, ``completions``, ``completion_ids``
and the columns of the data set) that gives one number a completion, None or NaN where it does not apply; such a
function with ``async def``; a reward model; or the path of one.
"""

import math
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from math_verify import LatexExtractionConfig, parse, verify
from math_verify.errors import TimeoutException
from torch import Tensor

Reward = Callable[..., Any] | torch.nn.Module | str
Metric = Callable[..., Any]


class Objective:
    """One of the things a policy is trained for: a reward to train on, a metric to judge by.

    Args:
        name: shown in logs and records; unique among the objectives of a run.
        reward: a TRL reward function (it may be async), a reward model or the path of one. Always maximised.
        metric: called with the same keywords as the reward, one number a completion, averaged over completions;
            None: the reward itself.
        maximize: whether more of the *metric* is better.
        bounds: (low, high) of the metric, in its own units. Without them there is no hypervolume.
        gate: (name, threshold): the reward counts only where that other objective's reward reaches the threshold.

    Raises:
        ValueError: for an argument of the wrong kind, bounds that are not finite with low < high, or a gate on
            the objective itself.
    """

    def __init__(
        self,
        name: str,
        reward: Reward,
        *,
        metric: Metric | None = None,
        maximize: bool = True,
        bounds: tuple[float, float] | None = None,
        gate: tuple[str, float] | None = None,
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"`name` of an objective must be a non-empty string, got {name!r}.")
        if not (callable(reward) or (isinstance(reward, str) and reward)):
            raise ValueError(
                f"`reward` of {name!r} must be a function, a reward model or the path of one, got {reward!r}."
            )
        if metric is not None and not callable(metric):
            raise ValueError(f"`metric` of {name!r} must be a function or None, got {metric!r}.")
        if not isinstance(maximize, bool):
            raise ValueError(f"`maximize` of {name!r} must be True or False, got {maximize!r}.")
        self.name = name
        self.reward = reward
        self.metric = metric
        self.maximize = maximize
        self.bounds = None if bounds is None else _bounds(bounds, name)
        self.gate = None if gate is None else _gate(gate, name)

    def observe(self, lengths: Sequence[int]) -> None:
        """Show the reward a training batch, before it is scored.

        Called once per training batch, on every process with the same numbers; scoring and evaluation never change
        what a reward has seen. Rewards without ``observe`` ignore it.

        Args:
            lengths: ``[N]`` completion lengths in tokens, gathered over all processes.
        """
        observe = getattr(self.reward, "observe", None)
        if callable(observe):
            observe(lengths)

    def state_dict(self) -> dict[str, Any]:
        """What the reward has to keep over a restart, as plain JSON values; a reward model keeps nothing."""
        get = getattr(self.reward, "state_dict", None)
        if callable(get) and not isinstance(self.reward, torch.nn.Module):
            return dict(get())
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Hand the reward the state that :meth:`state_dict` gave."""
        load = getattr(self.reward, "load_state_dict", None)
        if callable(load) and not isinstance(self.reward, torch.nn.Module):
            load(state)

    def __repr__(self) -> str:
        shown = [repr(self.name), _show(self.reward)]
        if self.metric is not None:
            shown.append(f"metric={_show(self.metric)}")
        shown += [f"maximize={self.maximize}", f"bounds={self.bounds}"]
        if self.gate is not None:
            shown.append(f"gate={self.gate}")
        return f"Objective({', '.join(shown)})"


def check_objectives(objectives: Sequence[Objective]) -> None:
    """Check that objectives can be trained together.

    Raises:
        ValueError: if there are none, if two share a name, or if a gate names an objective that is not there.
    """
    names = [objective.name for objective in objectives]
    if not names:
        raise ValueError("`objectives` is empty: give at least one.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"Objectives must have different names, got {', '.join(map(repr, twice))} twice.")
    for objective in objectives:
        if objective.gate is not None and objective.gate[0] not in names:
            raise ValueError(
                f"`gate` of {objective.name!r} names {objective.gate[0]!r}: choose one of {', '.join(names)}."
            )


def apply_gates(rewards: Tensor, objectives: Sequence[Objective]) -> Tensor:
    """Take away the rewards whose gate is shut.

    A gate looks at rewards as they were scored, so gates do not add up along a chain.

    Args:
        rewards: ``[N, K]``, NaN where an objective does not apply.
        objectives: the K objectives, which pass :func:`check_objectives`.

    Returns:
        ``[N, K]``: 0 where the gate's reward is below its threshold, NaN where it is NaN; elsewhere, and where the
        own reward is NaN, as before. The input is left as it was.

    Raises:
        ValueError: if ``rewards`` has another number of columns.
    """
    if rewards.dim() != 2 or rewards.shape[1] != len(objectives):
        raise ValueError(
            f"`rewards` must have shape [N, {len(objectives)}], a column an objective, got {tuple(rewards.shape)}."
        )
    names = [objective.name for objective in objectives]
    gated = rewards.clone()
    for k, objective in enumerate(objectives):
        if objective.gate is None:
            continue
        name, threshold = objective.gate
        key = rewards[:, names.index(name)]
        own = rewards[:, k]
        shut = torch.where(own.isnan() | key.isnan(), torch.nan, 0.0)
        gated[:, k] = torch.where(key >= threshold, own, shut)
    return gated


def completion_text(completion: Any) -> str:
    """The text of a completion: a string, or a chat, of which the last message of the assistant counts.

    Content that comes in parts is joined; parts that are no text are left out, and no content is "".

    Raises:
        TypeError: if it is neither.
    """
    if isinstance(completion, str):
        return completion
    if not isinstance(completion, Sequence) or not all(isinstance(m, Mapping) for m in completion):
        raise TypeError(f"A completion must be a string or a list of messages, got {type(completion).__name__}.")
    content = next((m.get("content") for m in reversed(completion) if m.get("role") == "assistant"), None)
    if not content:
        return ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content)


_BOX_OR_BRACE = re.compile(r"\\{1,2}boxed(?![A-Za-z])\s*|\\.|[{}]", re.DOTALL)
_UNBRACED = re.compile(r"(?:[^\s${}]|\{[^{}]*\})+")


class _Box(NamedTuple):
    r"""A complete \boxed: where it starts, where its content starts and ends, and whether braces hold it."""

    start: int
    inside: int
    end: int
    braced: bool


def _boxes(text: str) -> list[_Box]:
    """The boxes of a text, in the order in which they end. One pass, whatever the nesting."""
    boxes = []
    open_braces: list[tuple[int, int] | None] = []
    last: re.Match[str] | None = None
    for match in _BOX_OR_BRACE.finditer(text):
        token = match.group()
        if token == "{":
            box = last if last is not None and last.end() == match.start() else None
            open_braces.append((box.start(), match.end()) if box else None)
        elif token == "}":
            opened = open_braces.pop() if open_braces else None
            if opened is not None:
                boxes.append(_Box(*opened, match.start(), True))
        elif "boxed" in token:
            last = match
            if not text.startswith("{", match.end()):
                content = _UNBRACED.match(text, match.end())
                if content is not None:
                    boxes.append(_Box(match.start(), match.end(), content.end(), False))
    return boxes


def _content(text: str, box: _Box) -> str:
    inside = text[box.inside : box.end].strip()
    return inside if box.braced else inside.rstrip(".,;")


# The paper's grammar: at the start, after white space or after "(": an optional "step", then digits, one letter or a
# roman numeral, then one of `) . : -`; or a bullet between white space, or between the start and white space.
_ROMAN = r"(?=[mdclxvi])m*(?:c[md]|d?c{0,3})(?:x[cl]|l?x{0,3})(?:i[xv]|v?i{0,3})"
_ENUMERATOR = re.compile(rf"(?<![^\s(])(?:step\s*)?(?:[0-9]+|[a-z]|{_ROMAN})[).:\-]|(?<!\S)[-*•](?=\s)", re.IGNORECASE)
_ORDINAL = re.compile(
    r"\b(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|next|then)\b", re.IGNORECASE
)


def clarity(completions: Sequence[Any], **_: Any) -> list[float]:
    r"""The paper's clarity: 1 for a non-empty \boxed{…} with explicit steps, else 0.

    Explicit steps are two or more enumerators ("Step 1:", "(b)", "iv.", bullets), or two or more of the whole words
    first … tenth, next and then, in any case.

    Args:
        completions: N strings or chats.

    Returns:
        N rewards, 0.0 or 1.0.
    """
    return [float(_is_clear(completion_text(completion))) for completion in completions]


def _is_clear(text: str) -> bool:
    if not any(box.braced and _content(text, box) for box in _boxes(text)):
        return False
    return any(_at_least_two(pattern, text) for pattern in (_ENUMERATOR, _ORDINAL))


def _at_least_two(pattern: re.Pattern[str], text: str) -> bool:
    first = pattern.search(text)
    return first is not None and pattern.search(text, first.end()) is not None


MAX_ANSWER_LENGTH = 1000
"""Answers of more characters are compared as strings: none in MATH has 200, and parsing time grows with them."""

ANSWER_SECONDS = 2
"""Limit of each of the three steps of a symbolic comparison, in whole seconds."""

# Formulas that a computer algebra system is done with at once: arithmetic, fractions, roots, and powers of a number or
# letter to one digit or letter. A short formula of any other kind can keep it busy for hours.
_PLAIN = re.compile(
    r"""(?:
        [^\\^!*]
      | (?<=[0-9a-zA-Z]) \^ (?: [0-9a-z] (?!\d) | \{-?[0-9a-z]\} | \{?\\circ\}? ) (?! \s*\^ )
      | \\ (?: [dtc]?frac | sqrt | pi | left | right | text | mathrm | cdot | times | div | pm | circ | infty | degree )
        (?![A-Za-z])
      | \\ [^A-Za-z]
    ){1,60}""",
    re.VERBOSE,
)
_PLAIN_POWERS = 2
_PLAIN_BRACKETS = 8


def accuracy(completions: Sequence[Any], answer: Sequence[Any], **_: Any) -> list[float]:
    r"""The paper's accuracy: 1 if the last non-empty \boxed{} holds the answer, else 0.

    A brace-less ``\boxed 4`` counts as an answer, an answer without a box does not. Answers are compared as strings
    without white space, then symbolically by math-verify, so that ``\frac12``, ``0.5`` and ``1/2`` are equal.

    No completion raises or holds up training: only the box is parsed, answers of more than
    :data:`MAX_ANSWER_LENGTH` characters are compared as strings, and each step of the comparison gives up after
    :data:`ANSWER_SECONDS`. That limit is a signal, which only the main thread can receive: in any other thread all
    but short plain formulas (numbers, fractions, roots, small powers) are compared as strings.

    Args:
        completions: N strings or chats.
        answer: N ground truths, LaTeX or plain; ``$`` or a box around one is ignored.

    Returns:
        N rewards, 0.0 or 1.0.

    Raises:
        ValueError: if there is not one answer for each completion.
    """
    if len(completions) != len(answer):
        raise ValueError(f"`answer` has {len(answer)} values for {len(completions)} completions: give one for each.")
    seconds = ANSWER_SECONDS if threading.current_thread() is threading.main_thread() else None
    return [
        float(_is_right(completion_text(completion), str(truth), seconds))
        for completion, truth in zip(completions, answer, strict=True)
    ]


def _is_right(text: str, truth: str, seconds: int | None) -> bool:
    found = _last_box(text)
    if found is None:
        return False
    truth = _last_box(truth) or truth
    found, truth = _bare(found), _bare(truth)
    if "".join(found.split()) == "".join(truth.split()):
        return bool(found)
    if max(len(found), len(truth)) > MAX_ANSWER_LENGTH:
        return False
    if seconds is None and not (_is_plain(found) and _is_plain(truth)):
        return False
    return _equal(found, truth, seconds)


def _is_plain(formula: str) -> bool:
    if formula.count("^") > _PLAIN_POWERS or sum(map(formula.count, "([{|")) > _PLAIN_BRACKETS:
        return False
    return _PLAIN.fullmatch(formula) is not None


def _last_box(text: str) -> str | None:
    r"""The content of the last \boxed that is not empty."""
    last_first = sorted(_boxes(text), reverse=True)
    return next((content for box in last_first if (content := _content(text, box))), None)


def _bare(formula: str) -> str:
    """A formula without the dollars of math mode around it (but with that of a price)."""
    formula = formula.strip().lstrip("$")
    return (formula if formula.endswith(r"\$") else formula.rstrip("$")).strip()


# The completions of a group share their ground truth and, more often than not, their answer.
@lru_cache(maxsize=4096)
def _equal(found: str, truth: str, seconds: int | None) -> bool:
    """Whether two formulas are equal to math-verify."""
    try:
        gold, target = (
            # The box makes the whole formula what is parsed: left to search, math-verify takes a part of it.
            parse(
                f"\\boxed{{{formula}}}",
                [LatexExtractionConfig(boxed_match_priority=0)],
                extraction_mode="first_match",
                parsing_timeout=seconds,
            )
            for formula in (truth, found)
        )
        return bool(verify(gold, target, timeout_seconds=seconds))
    except (Exception, TimeoutException):
        # math-verify answers its own errors; this is an alarm that rings while it leaves.
        return False


class Conciseness:
    """The paper's conciseness: 1 for a completion shorter than the mean of all seen in training so far, else 0.

    The mean runs over every completion that :meth:`observe` was shown, the batch being scored among them. Before
    the first one the reward does not apply (None).
    """

    def __init__(self) -> None:
        self.total = 0.0
        self.count = 0

    def __call__(self, completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float | None]:
        """Score N completions, given as token ids: 0.0, 1.0 or None."""
        if not self.count:
            return [None] * len(completion_ids)
        mean = self.total / self.count
        return [float(len(ids) < mean) for ids in completion_ids]

    def observe(self, lengths: Sequence[int]) -> None:
        """Add a training batch to the mean.

        Args:
            lengths: ``[N]`` completion lengths in tokens.
        """
        self.total += float(sum(lengths))
        self.count += len(lengths)

    def state_dict(self) -> dict[str, Any]:
        """The sum and the number of the lengths seen."""
        return {"total": self.total, "count": self.count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave."""
        self.total, self.count = float(state["total"]), int(state["count"])

    def __repr__(self) -> str:
        return "Conciseness()"


def completion_length(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
    """The length of each of N completions in tokens: the metric of conciseness, to be minimised."""
    return [float(len(ids)) for ids in completion_ids]


def _bounds(bounds: Any, name: str) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in bounds)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"`bounds` of {name!r} must be two finite numbers (low, high), low < high, got {bounds!r}.")
    return low, high


def _gate(gate: Any, name: str) -> tuple[str, float]:
    try:
        other, threshold = gate[0], float(gate[1])
    except (TypeError, ValueError, IndexError, KeyError):
        other, threshold = None, math.nan
    if not (isinstance(other, str) and other and math.isfinite(threshold) and len(gate) == 2):
        raise ValueError(f"`gate` of {name!r} must be (name of an objective, finite threshold), got {gate!r}.")
    if other == name:
        raise ValueError(f"`gate` of {name!r} names the objective itself: name another one.")
    return other, threshold


def _show(reward: Reward | Metric) -> str:
    if isinstance(reward, str):
        return repr(reward)
    return getattr(reward, "__name__", type(reward).__name__)
