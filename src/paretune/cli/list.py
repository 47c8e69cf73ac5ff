"""``paretune list``: what there is to choose from, a line each."""

from textwrap import shorten

from paretune.cli import described
from paretune.cli.bad_input import BadInputError

WIDTH = 80
NEEDS = {
    "rewards": "rules that need nothing beyond the rewards; they cost nothing",
    "gains": "rules on gains, read from the batch's own completions; they cost nothing",
    "evaluations": "rules on evaluations; they cost one of the validation set each time",
    "influence": "rules on influence; the ways to measure it, below, differ in their cost",
    "gramian": "rules on a Gramian; it costs a backward pass for each objective",
}
"""What rules need beyond the rewards, and what that costs."""


def run(argv: list[str]) -> int:
    """Print the lists."""
    if argv:
        raise BadInputError(f"`paretune list` takes no arguments, got {' '.join(argv)}.")
    rules = described.rules()
    sections = {
        title: {name: rule.line for name, rule in rules.items() if rule.needs == needs}
        for needs, title in NEEDS.items()
    }
    sections |= {
        "tasks": described.named("tasks"),
        "algorithms": described.named("algorithms"),
        "influence (the gradient rule's method)": described.named("influences"),
    }
    width = 2 + max(len(name) for entries in sections.values() for name in entries)
    for title, entries in sections.items():
        if entries:
            print(title)
        for name, description in entries.items():
            print(f"  {name:<{width}}{shorten(description, WIDTH - 2 - width, placeholder=' …')}")
    print("your own: a rule as my.module:Rule or rule.py:Rule")
    print("settings of a rule: paretune train --help rule NAME")
    return 0
