"""``paretune list``: what there is to choose from, a line each."""

from paretune import tasks
from paretune.cli.bad_input import BadInputError
from paretune.weighting import RULES

ALGORITHMS = {
    "grpo": "rewards less their group's mean, over the group's deviation (scale_rewards changes that)",
    "rloo": "rewards less the mean of the group's other rewards",
    "reinforce++": "rewards whitened over all tokens of the batch",
}


def run(argv: list[str]) -> int:
    """Print the lists."""
    if argv:
        raise BadInputError(f"`paretune list` takes no arguments, got {' '.join(argv)}.")
    sections = {
        "rules": {name: rule.description for name, rule in RULES.items()},
        "tasks": {name: tasks.describe(name) for name in tasks.names()},
        "algorithms": ALGORITHMS,
    }
    width = 2 + max(len(name) for entries in sections.values() for name in entries)
    for title, entries in sections.items():
        print(title)
        for name, description in entries.items():
            print(f"  {name:<{width}}{description}")
    return 0
