"""Requirements on a word, and which of them can be met together: found by going through all words."""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

LETTERS = "abdez"
VOWELS = "ae"
LONGEST = 8
"""Letters a word may have. There are 488,281 words, the empty one included, and searching them all takes a second."""

Bits = NDArray[np.bool_]


class Words:
    """Words as arrays.

    Args:
        letters: ``[N, LONGEST]``, 1 and more for the letters in their order, 0 behind the end.
    """

    def __init__(self, letters: NDArray[np.uint8]) -> None:
        self.letters = letters
        self.lengths = (letters > 0).sum(axis=1)
        self.pairs = (letters[:, 1:] > 0).T  # [LONGEST - 1, N], whether there is a letter and one before it

    def count(self, letter: str) -> NDArray[np.int64]:
        """How often each word has a letter."""
        return np.asarray((self.letters == _number(letter)).sum(axis=1))

    @property
    def last(self) -> NDArray[np.uint8]:
        """The last letter of each word, 0 of the empty one."""
        return np.asarray(self.letters[np.arange(len(self.letters)), np.maximum(self.lengths, 1) - 1])

    def every_pair(self, holds: Callable[[NDArray[np.uint8], NDArray[np.uint8]], Bits]) -> Bits:
        """Whether something holds of all neighbours in a word."""
        found = np.ones(len(self.letters), dtype=bool)
        for i, there in enumerate(self.pairs):
            found &= holds(self.letters[:, i], self.letters[:, i + 1]) | ~there
        return found


def _number(letter: str) -> int:
    return LETTERS.index(letter) + 1


def _vowel(letters: NDArray[np.uint8]) -> Bits:
    return np.isin(letters, [_number(letter) for letter in VOWELS])


def _in_a_row(bits: Bits) -> Bits:
    """Whether there is one in each row."""
    return np.asarray(bits.any(axis=1))


def _palindrome(words: Words) -> Bits:
    found = np.ones(len(words.letters), dtype=bool)
    for length in range(2, LONGEST + 1):
        of_it = words.lengths == length
        these = words.letters[of_it, :length]
        found[of_it] = (these == these[:, ::-1]).all(axis=1)
    return found


# The first character of a code -> what words have to do, given the second.
KINDS: dict[str, Callable[[Words, str], Bits]] = {
    "L": lambda words, n: words.lengths >= int(n),  # at least n letters
    "M": lambda words, n: words.lengths <= int(n),  # at most n letters
    "N": lambda words, n: words.lengths == int(n),  # n letters
    "O": lambda words, n: words.lengths % 2 == int(n),  # an even (0) or odd (1) number of letters
    "S": lambda words, x: words.letters[:, 0] == _number(x),  # starts with x
    "E": lambda words, x: words.last == _number(x),  # ends with x
    "C": lambda words, x: words.count(x) > 0,  # contains x
    "W": lambda words, x: words.count(x) >= 2,  # has x twice
    "V": lambda words, _: _in_a_row(_vowel(words.letters)),  # has a vowel
    "K": lambda words, _: _in_a_row(~_vowel(words.letters) & (words.letters > 0)),  # has a consonant
    "T": lambda words, _: words.every_pair(lambda a, b: _vowel(a) != _vowel(b)),  # vowels and consonants alternate
    "A": lambda words, _: words.every_pair(lambda a, b: a <= b),  # letters in the order of the alphabet
    "Z": lambda words, _: words.every_pair(lambda a, b: a >= b),  # in the opposite order
    "P": lambda words, _: _palindrome(words),  # reads the same backwards
    "U": lambda words, _: np.logical_and.reduce([words.count(x) <= 1 for x in LETTERS]),  # no letter twice
    "D": lambda words, _: ~words.every_pair(lambda a, b: a != b),  # a letter twice in a row
    "H": lambda words, _: words.letters[:, 0] == words.last,  # ends as it starts
    "Q": lambda words, n: words.letters.sum(axis=1, dtype=np.int64) % int(n) == 0,  # letters add up to n, 2n … (a is 1)
}
PARAMETERS = {
    "L": "2358", "M": "347", "N": "456", "O": "01", "S": "abdez", "E": "abdez", "C": "abdez", "W": "abde",
    "Q": "235",
}  # fmt: skip
CODES = tuple(kind + parameter for kind in KINDS for parameter in PARAMETERS.get(kind, "."))
"""All requirements: a letter that says the kind, and a parameter, ``.`` for kinds without one."""


def meets(code: str, words: Words) -> Bits:
    """``[N]``: which words meet a requirement."""
    return KINDS[code[0]](words, code[1])


def encode(texts: Sequence[str]) -> tuple[Words, Bits]:
    """Texts as words, and which of them are words at all; one that is none becomes the empty word."""
    known = np.array([len(text) <= LONGEST and set(text) <= set(LETTERS) for text in texts], dtype=bool)
    letters = np.zeros((len(texts), LONGEST), dtype=np.uint8)
    for row, text, is_word in zip(letters, texts, known, strict=True):
        if is_word:
            row[: len(text)] = [_number(letter) for letter in text]
    return Words(letters), known


def all_words(longest: int = LONGEST) -> Words:
    """Every word of up to so many letters, the empty one included."""
    blocks = [np.zeros((1, LONGEST), dtype=np.uint8)]
    for length in range(1, longest + 1):
        grid = np.indices((len(LETTERS),) * length, dtype=np.uint8).reshape(length, -1).T + 1
        blocks.append(np.pad(grid, ((0, 0), (0, LONGEST - length))).astype(np.uint8))
    return Words(np.concatenate(blocks))


def _bits(words: Words) -> NDArray[np.uint64]:
    """What each word meets, a bit for each of ``CODES``."""
    found = np.zeros(len(words.letters), dtype=np.uint64)
    for i, code in enumerate(CODES):
        found |= meets(code, words).astype(np.uint64) << np.uint64(i)
    return found


@cache
def signatures(longest: int = LONGEST) -> NDArray[np.uint64]:
    """What words of up to so many letters meet, a bit for each of ``CODES``: every combination that one has, once."""
    return np.unique(_bits(all_words(longest)))


@cache
def short_words() -> tuple[list[str], NDArray[np.uint64]]:
    """All words of up to six letters without z, and their signatures."""
    plain = LETTERS.replace("z", "")
    texts = ["".join(letters) for length in range(7) for letters in product(plain, repeat=length)]
    return texts, _bits(encode(texts)[0])


def words_that_meet(codes: Sequence[str]) -> list[str]:
    """The words of up to six letters without z that meet all of some requirements, short ones first."""
    texts, bits = short_words()
    wanted = _mask(codes)
    return [texts[i] for i in np.flatnonzero((bits & wanted) == wanted)]


def can_meet(codes: Sequence[str]) -> bool:
    """Whether some word meets all of some requirements."""
    wanted = _mask(codes)
    return bool(((signatures() & wanted) == wanted).any())


def _mask(codes: Sequence[str]) -> np.uint64:
    return np.uint64(sum(1 << CODES.index(code) for code in set(codes)))


def achievable(codes: Sequence[str], longest: int = LONGEST) -> NDArray[np.bool_]:
    """``[A, K]``: the sets of these K requirements that words meet, without those that are part of another."""
    known = signatures(longest)
    bits = [np.uint64(CODES.index(code)) for code in codes]
    packed = np.zeros(len(known), dtype=np.uint32)
    for k, bit in enumerate(bits):
        packed |= (((known >> bit) & np.uint64(1)) << np.uint64(k)).astype(np.uint32)
    sets = np.unique(packed)
    largest = [a for a in sets if not any(a != b and a & b == a for b in sets)]
    return np.array([[bool(a >> k & 1) for k in range(len(codes))] for a in largest])
