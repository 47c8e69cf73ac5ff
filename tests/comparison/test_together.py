"""The front of several runs' last policies, worked out by hand."""

from pathlib import Path

import pytest

from comparison.runs import OBJECTIVES, TEST, VALIDATION, make_run
from paretune.comparison.together import front_together
from paretune.record.known_front import append_known_front
from paretune.record.parsing import RecordError

VALIDATED = [(0.9, 0.1), (0.1, 0.9), (0.05, 0.05)]
TESTED = [(0.8, 0.2), (0.2, 0.7), (0.9, 0.9)]


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """The third is dominated on the validation split, and the best on the test split."""
    found = []
    for i, (validated, tested) in enumerate(zip(VALIDATED, TESTED, strict=True)):
        # The first policy of each run is better than any, but not its last one.
        measured = {VALIDATION: {10: (1.0, 1.0), 20: validated}, TEST: {10: (1.0, 1.0), 20: tested}}
        found.append(make_run(tmp_path / str(i), measured=measured))
    return found


def test_policies_are_chosen_on_validation_and_judged_on_test(runs: list[Path]) -> None:
    told = {"split": "test", "prompts": 64, "objectives": OBJECTIVES, "weights": [[0.0, 1.0], [1.0, 0.0]]}
    best = {"value": 0.75, "gains": [0.75, 0.75], "gap": 0.0}
    append_known_front(runs[0], {**told, "gains": [[0.3, 1.0], [1.0, 0.3]], "best_geometric_mean": best})
    found = front_together(runs)
    # 0.8 · 0.2 and beside it 0.2 · 0.5; at the corners 1.0 − 0.7 and 1.0 − 0.8.
    assert found == {"hypervolume": pytest.approx(0.26), "front_regret": pytest.approx(0.25), "chosen": 2}


def test_no_regret_without_a_known_front(runs: list[Path]) -> None:
    found = front_together(runs[:1])
    assert found["front_regret"] != found["front_regret"]
    assert found["hypervolume"] == pytest.approx(0.16)


def test_a_run_that_was_not_measured_is_named(runs: list[Path], tmp_path: Path) -> None:
    unmeasured = make_run(tmp_path / "other", measured={TEST: {20: (0.5, 0.5)}})
    with pytest.raises(RecordError, match="other, validation split: finished, but not measured"):
        front_together([*runs, unmeasured])
