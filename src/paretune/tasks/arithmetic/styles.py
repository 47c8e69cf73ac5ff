"""The ways in which the embedded policy was taught to answer a sum."""

import random
from typing import Any

from paretune.tasks.arithmetic.problems import Problem
from paretune.tasks.arithmetic.problems import draw as draw

CHARACTERS = "\n +.:=?0123456789epst"
# Style -> share of the warm-up data.
SHARES = {"bare": 0.25, "paired": 0.15, "chained": 0.2, "partly numbered": 0.2, "numbered": 0.2}
WARM_UP = {
    "batches": 1300,
    "width": 128,
    "layers": 4,
    "told_batches": 800,
    "prefixed": 0.5,
    "concentration": 0.5,
    "tilt": 4.0,
    "stored_in": "float32",
    "shard_size": 24,
    "threads": 2,
}


def write(problem: Problem, style: str, rng: random.Random) -> str:
    """A right answer to ``problem`` in one of the styles of ``SHARES``.

    - bare: ``78``
    - paired, two terms added at a time where there are two: ``12+30+5=47. 47+31=78.``
    - chained, one at a time: ``12+30=42. 42+5=47. 47+31=78.``
    - numbered: ``step 1: 12+30=42. step 2: 42+5=47. step 3: 47+31=78.``
    - partly numbered, the last sums only (how many is drawn from ``rng``):
      ``12+30=42. step 1: 42+5=47. step 2: 47+31=78.``
    """
    if style == "bare":
        return problem.answer
    sums = len(problem.numbers) - 1
    plain = {"numbered": 0, "partly numbered": rng.randint(1, sums - 1)}.get(style, sums)
    return worked(problem, 2 if style == "paired" else 1, plain)


def worked(problem: Problem, stride: int, plain: int) -> str:
    """An answer that adds so many terms at a time, whose sums are numbered from the one after the first `plain`."""
    total, *rest = problem.numbers
    sums = []
    for start in range(0, len(rest), stride):
        terms = rest[start : start + stride]
        sums.append("+".join(map(str, (total, *terms))) + f"={total + sum(terms)}.")
        total += sum(terms)
    return " ".join(sums[:plain] + [f"step {k}: {text}" for k, text in enumerate(sums[plain:], start=1)])


def style_of(completion: str, **_: Any) -> str:
    """The kind of answer a text is: "bare", "chained" (paired or not) or "numbered" (wholly or partly)."""
    if "step" in completion:
        return "numbered"
    return "chained" if "=" in completion else "bare"
