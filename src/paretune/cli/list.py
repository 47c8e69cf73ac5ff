"""``paretune list``: what there is to choose from, a line each."""

from paretune import advantages, influence, tasks
from paretune.cli.bad_input import BadInputError
from paretune.weighting import RULES


def run(argv: list[str]) -> int:
    """Print the lists."""
    if argv:
        raise BadInputError(f"`paretune list` takes no arguments, got {' '.join(argv)}.")
    sections = {
        "rules": {name: rule.description for name, rule in RULES.items()},
        "tasks": {name: tasks.describe(name) for name in tasks.names()},
        "algorithms": {name: estimator.description for name, estimator in advantages.ESTIMATORS.items()},
        "influence (the gradient rule's method)": {name: e.description for name, e in influence.ESTIMATORS.items()},
    }
    width = 2 + max(len(name) for entries in sections.values() for name in entries)
    for title, entries in sections.items():
        print(title)
        for name, description in entries.items():
            print(f"  {name:<{width}}{description}")
    return 0
