r"""Whether two answers in normal notation say the same: exactly, unless the right one is a decimal number."""

import re
from collections.abc import Sequence
from typing import Any

from latex2sympy2_extended.latex2sympy2 import ConversionConfig, NormalizationConfig, latex2sympy, normalize_latex
from math_verify import verify
from math_verify.grader import is_relation, should_treat_as_complex, take_last_relation
from sympy import Basic, Eq, Expr, FiniteSet, Float, Interval, MatrixBase, Rational, S, Tuple, Union

from paretune.objectives.notation import in_base, is_text, normal, same_notation, split_percent, words

DECIMALS = 6
"""An answer to a decimal number may differ by half a unit of this decimal place, or of the number's last one."""

RELATIVE = Rational(5, 10**5)
"""An answer to a decimal number may differ by no larger share of it: small numbers have digits to get right, too."""

# Units are taken off before: upstream takes single letters for units, and 5d for 5.
_NORMALIZATION = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=False, boxed="none", equations=False
)
_CONVERSION = ConversionConfig(lowercase_symbols=False)

_BRACKETS = re.compile(r"\\[{}]|\\[lr]angle(?![A-Za-z])|\\.|[()\[\],;]", re.DOTALL)
_RELATION = re.compile(r"(?<![<>!:])=|\\in(?![A-Za-z])|\\approx(?![A-Za-z])")
_ANY_RELATION = re.compile(r"[=<>]|\\(?:in|leq|geq|neq|approx|not)(?![A-Za-z])")
_NAME = re.compile(r"\s*(?:\\?[A-Za-z]+|[A-Za-z]\s*\(\s*[A-Za-z]\s*\)|\([A-Za-z,\s]*\))(?:_\{?\w+\}?)?'?\s*")
_SEVERAL = re.compile(r"[,;]|\b(?:and|or)\b")
_REPEATING = re.compile(r"(\d*)\.(\d*)\\(?:overline|bar|dot) ?(?:\{(\d+)\}|(\d))")
_SIDE_BY_SIDE = re.compile(r"(?<![\w^.])[\d.]+\s+[\d.]")
_LETTER_I = re.compile(r"(\\[A-Za-z]+(?:\{[A-Za-z ]*\})?)|I")


def equal(gold: str, found: str) -> bool:
    """Whether an answer says what the right one says. It may raise, and may take for ever: bound it.

    Args:
        gold: the right answer, as :func:`~paretune.objectives.notation.normal` leaves it.
        found: the answer to judge, in the same notation.
    """
    if same_notation(gold, found):
        return True
    gold, found = _without_name(gold, found), _without_name(found, gold)
    if is_text(gold) or re.fullmatch("[A-Za-z]", gold):
        if words(gold) is None or words(found) is None:
            return False
        return _same_words(str(words(gold)), str(words(found)), of_letters=is_text(gold))
    if is_text(found):
        found = found[len(r"\text{") : -1]
    if re.search(r"\d\s*\)?\s*_", gold + found):
        return in_base(gold) == in_base(found) is not None
    (gold, gold_percent), (found, found_percent) = split_percent(gold), split_percent(found)
    if _brackets(gold) != _brackets(found):
        return False
    if _same(gold, found):
        return True
    if gold_percent != found_percent:
        hundredth = r"\frac{%s}{100}"
        return _same(hundredth % gold, found) if gold_percent else _same(gold, hundredth % found)
    return False


def _same_words(gold: str, found: str, *, of_letters: bool) -> bool:
    """Words in any case, but initials and the letters of a choice, which are all capitals, as they are."""
    if of_letters and any(letter.islower() for letter in gold) and len(gold) > 1:
        return gold.casefold() == found.casefold()
    return gold == found


def _without_name(formula: str, other: str) -> str:
    """The 5 of ``x = 5`` where the other formula names nothing; of an approximation the exact side."""
    if _ANY_RELATION.search(other):
        return formula
    parts = _RELATION.split(formula)
    if len(parts) == 1 or any(_SEVERAL.search(part) for part in parts[1:-1]):
        return formula
    if "\\approx" in formula and not _NAME.fullmatch(parts[-2]):
        return normal(parts[-2])
    return normal(parts[-1])


def _brackets(formula: str) -> list[str]:
    """The kinds of brackets right around a comma, sorted. The parser does not tell all of them apart.

    The braces of a set count as none, as in a plain list: both have no order.
    """
    kinds: list[str] = []
    opened: list[list[str]] = []
    for token in _BRACKETS.findall(formula):
        if token in ("(", "[", r"\{", r"\langle"):
            opened.append([token])
        elif token in (")", "]", r"\}", r"\rangle") and opened:
            opening, *commas = opened.pop()
            if commas and opening != r"\{":
                kinds.append((opening + token).replace("\\langle\\rangle", "()"))
        elif token in (",", ";") and opened:
            opened[-1].append(token)
    return sorted(kinds)


def _same(gold: str, found: str) -> bool:
    gold, found = (_REPEATING.sub(_fraction, formula) for formula in (gold, found))
    decimals = [len(places) for places in re.findall(r"\.(\d+)", gold)]
    smallest = Rational(1, 2 * 10 ** max(DECIMALS, *decimals)) if decimals else None
    # i is the imaginary unit in both or in none.
    real = not (should_treat_as_complex(gold) or should_treat_as_complex(found))
    return _agree(_parsed(gold, real=real), _parsed(found, real=real), smallest)


def _fraction(match: re.Match[str]) -> str:
    """A repeating decimal as a fraction: 0.1666… is (16 − 1)/90."""
    head, period = match[1] + match[2], match[3] or match[4]
    below = "9" * len(period) + "0" * len(match[2])
    return rf"\frac{{{int(head + period) - int(head or '0')}}}{{{below}}}"


def _parsed(formula: str, *, real: bool) -> Any:
    """A formula as SymPy has it, with decimal numbers as fractions.

    Raises:
        ValueError: for what the parser gives a wrong meaning.
    """
    if _SIDE_BY_SIDE.search(formula):
        raise ValueError("Two numbers side by side would be added or multiplied.")
    # A capital I would be the imaginary unit, a capital Gamma Euler's constant.
    formula = _LETTER_I.sub(lambda match: match[1] or r"\text{I}", formula).replace(r"\Gamma", r"\text{capitalGamma}")
    formula = normalize_latex(formula, _NORMALIZATION)
    parsed = latex2sympy(
        formula, is_real=real, convert_degrees=False, normalization_config=None, conversion_config=_CONVERSION
    )
    if parsed == S.EmptySet and r"\emptyset" not in formula and r"\{" not in formula:
        raise ValueError("An interval whose ends stand the wrong way round would be the empty set.")
    return parsed


def _exact(formula: Any) -> Any:
    formula = formula.doit()
    return formula.xreplace({number: Rational(str(number)) for number in formula.atoms(Float)})


def _agree(gold: Any, found: Any, smallest: Rational | None) -> bool:
    """Whether two parsed formulas are equal: containers part by part, numbers and terms by SymPy's proof.

    Args:
        gold: the right answer.
        found: the answer to judge.
        smallest: half a unit of the last decimal place to get right; None where the right answer is exact.
    """
    if is_relation(gold) != is_relation(found):
        gold, found = (_last_side(side) for side in (gold, found))
    if is_relation(gold) and is_relation(found):
        return _relations_agree(gold, found, smallest)
    gold, found = (side.args[0] if isinstance(side, FiniteSet) and len(side) == 1 else side for side in (gold, found))
    if isinstance(gold, Interval) and isinstance(found, Interval):
        same_kind = (gold.left_open, gold.right_open) == (found.left_open, found.right_open)
        return same_kind and _all_agree((gold.start, gold.end), (found.start, found.end), smallest)
    if isinstance(gold, Tuple) and isinstance(found, Tuple):
        return _all_agree(gold.args, found.args, smallest)
    if isinstance(gold, FiniteSet | Union) and isinstance(found, FiniteSet | Union):
        return _agree_in_some_order(gold.args, found.args, smallest)
    if isinstance(gold, MatrixBase) and isinstance(found, MatrixBase):
        return gold.shape == found.shape and _all_agree(gold.flat(), found.flat(), smallest)
    if not (isinstance(gold, Expr) and isinstance(found, Expr)):
        return bool(type(gold) is type(found) and gold == found)
    return _terms_agree(_exact(gold), _exact(found), smallest)


def _last_side(formula: Any) -> Any:
    return take_last_relation(formula).rhs if is_relation(formula) else formula


def _relations_agree(gold: Any, found: Any, smallest: Rational | None) -> bool:
    if isinstance(gold, Eq) and isinstance(found, Eq) and gold.lhs == found.lhs:
        return _agree(gold.rhs, found.rhs, smallest)
    return bool(verify(gold, found, numeric_precision=50, timeout_seconds=None))


def _terms_agree(gold: Expr, found: Expr, smallest: Rational | None) -> bool:
    if gold == found:
        return True
    if gold.is_Rational and found.is_Rational and smallest is None:
        return False
    if gold.is_number and found.is_number and smallest is not None:
        return bool(abs(gold - found) <= min(smallest, RELATIVE * abs(gold)))
    proven = gold.equals(found)
    return bool(verify(gold, found, timeout_seconds=None)) if proven is None else bool(proven)


def _all_agree(gold: Sequence[Basic], found: Sequence[Basic], smallest: Rational | None) -> bool:
    return len(gold) == len(found) and all(_agree(a, b, smallest) for a, b in zip(gold, found, strict=True))


def _agree_in_some_order(gold: Sequence[Basic], found: Sequence[Basic], smallest: Rational | None) -> bool:
    left = list(found)
    for part in gold:
        match = next((other for other in left if _agree(part, other, smallest)), None)
        if match is None:
            return False
        left.remove(match)
    return not left
