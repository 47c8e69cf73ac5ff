"""The table of what rules cost, in docs/performance.md, says what rules and estimators themselves say."""

from collections import defaultdict
from pathlib import Path

from paretune.influence import ESTIMATORS
from paretune.weighting import RULES
from weighting.test_every_rule import PLAIN

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
EVALUATIONS = {None: "none", "rollouts": "of the batch's own rollouts", "validation": "of the validation set"}


def passes(method: str) -> str:
    """The passes of an estimator for any K, such as ``1 forward, K backward``."""
    few, many = (ESTIMATORS[method].passes(count) for count in (3, 16))
    told = [
        "K" if (a, b) == (3, 16) else f"{a:g}" for a, b in zip(few, many, strict=True) if a == b or (a, b) == (3, 16)
    ]
    return "{} forward, {} backward".format(*told)


def test_it_has_every_rule_as_it_is() -> None:
    alike: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for name in RULES:
        wanted = PLAIN.get(name, RULES[name])().measurements()
        method = None if wanted.influence is None else wanted.influence.method
        influence = ("none", "none") if method is None else (f"`{method}`", passes(method))
        alike[*influence, EVALUATIONS[wanted.evaluation]].append(f"`{name}`")
    table = PAGE.read_text(encoding="utf-8").split("<!-- rules -->")[1].split("<!-- /rules -->")[0]
    rows = [f"| {', '.join(names)} | {' | '.join(cost)} |" for cost, names in alike.items()]
    assert sorted(table.strip().splitlines()[2:]) == sorted(rows)


def test_it_has_every_estimator_as_it_is() -> None:
    table = PAGE.read_text(encoding="utf-8").split("<!-- estimators -->")[1].split("<!-- /estimators -->")[0]
    assert table.strip().splitlines()[2:] == [f"| `{name}` | {passes(name)} |" for name in ESTIMATORS]
