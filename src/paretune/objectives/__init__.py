"""What an objective is, and the rewards of the paper (Lu et al., arXiv 2509.11452).

A reward is anything TRL takes: a function called with keywords (``prompts``, ``completions``, ``completion_ids``
and the columns of the data set) that gives one number a completion, None or NaN where it does not apply; such a
function with ``async def``; a reward model; or the path of one.
"""

from paretune.objectives.accuracy import accuracy
from paretune.objectives.clarity import clarity
from paretune.objectives.completions import completion_text, prompt_text
from paretune.objectives.conciseness import Conciseness, completion_length
from paretune.objectives.objective import (
    Objective,
    Reward,
    RewardError,
    apply_gates,
    as_objectives,
    check_objectives,
)

__all__ = [
    "Conciseness",
    "Objective",
    "Reward",
    "RewardError",
    "accuracy",
    "apply_gates",
    "as_objectives",
    "check_objectives",
    "clarity",
    "completion_length",
    "completion_text",
    "prompt_text",
]
