"""The requirements of charter, each against its definition in plain Python."""

import random
from collections.abc import Callable
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune.tasks.charter.problems import draw
from paretune.tasks.charter.requirements import CODES, LETTERS, LONGEST, achievable, encode, meets, words_that_meet
from paretune.tasks.charter.scoring import met
from paretune.tasks.charter.styles import SHARES, write

WORDS = ["".join(letters) for length in range(5) for letters in product(LETTERS, repeat=length)]

PLAIN: dict[str, Callable[[str, str], bool]] = {
    "L": lambda word, n: len(word) >= int(n),
    "M": lambda word, n: len(word) <= int(n),
    "N": lambda word, n: len(word) == int(n),
    "O": lambda word, n: len(word) % 2 == int(n),
    "S": lambda word, x: word.startswith(x),
    "E": lambda word, x: word.endswith(x),
    "C": lambda word, x: x in word,
    "W": lambda word, x: word.count(x) >= 2,
    "V": lambda word, _: any(x in "ae" for x in word),
    "K": lambda word, _: any(x in "bdz" for x in word),
    "T": lambda word, _: all((a in "ae") != (b in "ae") for a, b in pairwise(word)),
    "A": lambda word, _: list(word) == sorted(word),
    "Z": lambda word, _: list(word) == sorted(word, reverse=True),
    "P": lambda word, _: word == word[::-1],
    "U": lambda word, _: len(set(word)) == len(word),
    "D": lambda word, _: any(a == b for a, b in pairwise(word)),
    "H": lambda word, _: word[:1] == word[-1:],
    "Q": lambda word, n: sum(LETTERS.index(x) + 1 for x in word) % int(n) == 0,
}


def test_every_requirement_means_what_it_says() -> None:
    long = ["".join(random.Random(i).choices(LETTERS, k=5 + i % 4)) for i in range(300)]
    words, known = encode([*WORDS, *long])
    assert known.all()
    for code in CODES:
        assert meets(code, words).tolist() == [PLAIN[code[0]](word, code[1]) for word in (*WORDS, *long)], code


def test_there_are_some_twenty_kinds() -> None:
    assert len({code[0] for code in CODES}) == len(PLAIN) == 18
    assert len(set(CODES)) == len(CODES) <= 64


@settings(deadline=None)
@given(st.lists(st.sampled_from(CODES), min_size=8, max_size=8, unique=True))
def test_achievable_sets_are_those_that_all_short_words_meet(codes: list[str]) -> None:
    words = [word for word in WORDS if len(word) <= 3]
    sets = {tuple(PLAIN[code[0]](word, code[1]) for code in codes) for word in words}
    largest = {a for a in sets if not any(a != b and all(y or not x for x, y in zip(a, b, strict=True)) for b in sets)}
    assert {tuple(map(bool, row)) for row in achievable(codes, 3)} == largest


@pytest.mark.parametrize("text", ["abx", "ab ", "a" * (LONGEST + 1), "AB"])
def test_what_is_no_word_meets_nothing(text: str) -> None:
    assert met([text] * len(CODES), CODES) == [0.0] * len(CODES)


def test_each_completion_has_its_own_requirement() -> None:
    assert met(["aba", "aba", "abd", ""], ["P.", "Sd", "Ed", "P."]) == [1.0, 0.0, 1.0, 1.0]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(sorted(SHARES)))
def test_styles_meet_what_their_names_say(seed: int, style: str) -> None:
    charter, rng = draw(random.Random(seed)), random.Random(seed)
    text = write(charter, style, rng)
    found = np.array(met([text] * 8, charter.codes))
    if style == "stray":
        assert len(text) == LONGEST
        return
    assert found[6:].sum() == 0  # what is rare stays for training to find
    if style in ("minority", "majority"):
        assert found[4 if style == "minority" else 5] == 1.0
    if style == "easy":
        assert found[:2].all()


def test_words_to_choose_from_have_no_z_and_at_most_six_letters() -> None:
    words = words_that_meet(["L5", "T."])
    assert {len(word) for word in words} == {5, 6}
    assert not any("z" in word for word in words)
