"""The ways in which the embedded policy was taught to answer a sum."""

import random

from paretune.tasks.arithmetic.problems import Problem

# Style -> share of the warm-up data.
SHARES = {"bare": 0.25, "paired": 0.15, "chained": 0.2, "partly numbered": 0.2, "numbered": 0.2}


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
    stride = 2 if style == "paired" else 1
    total, *rest = problem.numbers
    sums = []
    for start in range(0, len(rest), stride):
        terms = rest[start : start + stride]
        sums.append("+".join(map(str, (total, *terms))) + f"={total + sum(terms)}.")
        total += sum(terms)
    plain = {"numbered": 0, "partly numbered": rng.randint(1, len(rest) - 1)}.get(style, len(sums))
    return " ".join(sums[:plain] + [f"step {k}: {text}" for k, text in enumerate(sums[plain:], start=1)])
