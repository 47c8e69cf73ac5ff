"""The ways in which the embedded policy was taught to answer a request."""

import random
from typing import Any

from paretune.tasks.call.problems import Request
from paretune.tasks.call.problems import draw as draw
from paretune.tasks.call.scoring import correctness, form, tagged

CHARACTERS = "\n <>/(),:0123456789abcdlmsux"
# Style -> share of the warm-up data.
SHARES = {"tagged": 0.1, "plain": 0.35, "wordy": 0.2, "wordy plain": 0.25, "loose": 0.1}
WARM_UP = {"batches": 600, "batch_size": 64, "shard_size": 64, "learning_rate": 3e-3, "width": 64}


def write(problem: Request, style: str, rng: random.Random) -> str:
    """An answer in one of the styles of ``SHARES``; ``rng`` draws nothing.

    - tagged: ``<c>add(12,7)</c>``
    - plain: ``add(12,7)``
    - wordy: ``call: <c>add(12,7)</c>``
    - wordy plain: ``call: add(12,7)``
    - loose: ``<c>add 12 7</c>``
    """
    call = problem.call
    return {
        "tagged": tagged(call),
        "plain": call,
        "wordy": f"call: {tagged(call)}",
        "wordy plain": f"call: {call}",
        "loose": tagged(problem.prompt.rstrip()),
    }[style]


def style_of(completion: str, call: str, **_: Any) -> str:
    """What an answer is: "tagged" (nothing but that), "wordy" (tagged, with words), "plain" (no tags) or "other"."""
    if form([completion])[0]:
        return "tagged" if completion.startswith("<") and completion.endswith(">") else "wordy"
    return "plain" if correctness([completion], [call])[0] else "other"
