"""The share of slow tests that runs with a landing (`make test-rotating`)."""

import re

from hypothesis import given
from hypothesis import strategies as st

from rotation import ROOT, SHARES, guarding_files, is_due, its_turn


@given(st.text(), st.integers(0, 10**6))
def test_a_test_runs_once_in_five_landings_in_a_row(name: str, first: int) -> None:
    test = f"{sorted(guarding_files())[0]}::test_{name}"
    assert [is_due(test, first + i) for i in range(SHARES)].count(True) == 1


@given(st.lists(st.text(), min_size=1, unique=True), st.integers(0, 10**6))
def test_every_case_has_its_turn_and_none_rests_alone(cases: list[str], first: int) -> None:
    turns = [its_turn(cases, first + i) for i in range(SHARES)]
    assert {case for turn in turns for case in turn} == set(cases)
    assert all(1 <= len(turn) <= -(-len(cases) // min(SHARES, len(cases))) for turn in turns)


def test_other_tests_are_not_in_it() -> None:
    assert not any(is_due("tests/test_rotation.py::test_other", number) for number in range(SHARES))


def test_the_promises_have_slow_tests() -> None:
    files = guarding_files()
    assert {"tests/soak/test_kills.py", "tests/soak/test_leaks.py", "tests/trainer/test_resume.py"} <= files
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    slow = set(re.findall(r"†\]\(\.\./(tests/[\w/]+\.py)\)", page))
    assert slow
    for file in sorted(slow):
        assert "pytest.mark.slow" in (ROOT / file).read_text(encoding="utf-8"), file
