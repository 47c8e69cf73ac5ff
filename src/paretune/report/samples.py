"""Sample answers at the start and at the end of training."""

from paretune.report.page import Answer, Sample
from paretune.report.runs import Run

MOST = 6
"""Prompts that are shown."""
LONGEST = 4000
"""Letters of a text that are shown."""


def samples(run: Run) -> list[Sample]:
    """The prompts answered at both ends of training, else those answered at all."""
    steps = sorted({completion.step for completion in run.completions})
    if not steps:
        return []
    ends = dict.fromkeys([steps[0], steps[-1]])
    by_row: dict[tuple[int, str], dict[int, Answer]] = {}
    for completion in run.completions:
        if completion.step in ends:
            scores = ", ".join(
                f"{o.name} {completion.metrics[o.name]:.3g}" for o in run.objectives if o.name in completion.metrics
            )
            answer = Answer(f"step {completion.step}", _cut(completion.completion), scores)
            # Of several answers to one prompt, the first.
            by_row.setdefault((completion.row, completion.prompt), {}).setdefault(completion.step, answer)
    whole = {key: answers for key, answers in by_row.items() if len(answers) == len(ends)} or by_row
    return [
        Sample(_cut(prompt), [answers[step] for step in ends if step in answers])
        for (_, prompt), answers in list(whole.items())[:MOST]
    ]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text) - LONGEST} more letters)"
