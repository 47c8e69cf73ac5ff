"""What a program has to print, and what its output earns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune.tasks.safesql.correctness import beyond_constant, passed, program_of


@pytest.mark.parametrize(
    ("completion", "program"),
    [
        ("```python\nprint(1)\n```", "print(1)\n"),
        ("Here it is:\n```py\nprint(1)\n```\nDone.", "print(1)\n"),
        ("```Python3 \nprint(1)\n```", "print(1)\n"),
        ("```python\nprint(1)\n```\nBetter:\n```python\nprint(2)\n```", "print(2)\n"),
        ("  ```python\n  if 1:\n    print(1)\n  ```", "  if 1:\n    print(1)\n"),
        ([{"role": "assistant", "content": "```python\nprint(1)\n```"}], "print(1)\n"),
        ("```python\n```", ""),
        ("print(1)", None),
        ("```\nprint(1)\n```", None),
        ("```sql\nselect 1\n```", None),
        ("```python\nprint(1)", None),
        ("", None),
    ],
)
def test_the_last_fenced_python_block_is_the_program(completion: object, program: str | None) -> None:
    assert program_of(completion) == program


@pytest.mark.parametrize(
    ("output", "expected", "same"),
    [
        ("(1, 'Hammer')\n", "(1,  'hammer')", True),
        ("", "\n \n", True),
        ("a\nb", "ab", True),
        ("a", "", False),
        ("(1,)", "(1)", False),
        ("Straße", "STRASSE", True),
    ],
)
def test_case_and_white_space_do_not_matter(output: str, expected: str, same: bool) -> None:
    assert passed(output, expected) is same


def test_the_best_constant_output_earns_nothing() -> None:
    expected = ["", "", "x", "y"]
    assert beyond_constant([True, True, False, False], expected) == 0.0
    assert beyond_constant([True, True, True, False], expected) == 0.5
    assert beyond_constant([True] * 4, expected) == 1.0
    assert beyond_constant([False, False, True, False], expected) == 0.0


def test_where_every_constant_is_right_only_all_tests_earn_something() -> None:
    assert beyond_constant([True, True], ["a", "A "]) == 1.0
    assert beyond_constant([True, False], ["a", "A "]) == 0.0


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["", "a", "b", "c"])), min_size=1))
def test_from_nothing_to_one_and_never_more_for_less(tests: list[tuple[bool, str]]) -> None:
    passes, expected = [own for own, _ in tests], [output for _, output in tests]
    earned = beyond_constant(passes, expected)
    assert 0.0 <= earned <= 1.0
    assert earned <= beyond_constant([True, *passes[1:]], expected)
    assert beyond_constant([True] * len(tests), expected) == 1.0
