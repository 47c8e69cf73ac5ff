r"""One notation for an answer, however it is typeset: decoration and units taken off, Unicode written as LaTeX."""

import re
import unicodedata

_NAMES = (
    "÷ div, ± pm, ∓ mp, ∞ infty, ≈ approx, ≤ leq, ⩽ leq, ≥ geq, ⩾ geq, ≠ neq, ∈ in, ∪ cup, ∩ cap, ∅ emptyset, ∠ angle, "
    "π pi, α alpha, β beta, θ theta, λ lambda, φ varphi, ω omega, μ mu, σ sigma, δ delta, Δ Delta"
)
_SYMBOLS = str.maketrans(
    {
        **dict.fromkeys("−–‐‑﹣－", "-"),
        **dict.fromkeys("×✕", r"\times "),
        **dict.fromkeys("·⋅∙", r"\cdot "),
        **dict.fromkeys("\u00a0\u2002\u2003\u2004\u2005\u3000", " "),
        **dict.fromkeys("\u2006\u2007\u2008\u2009\u200a\u202f", r"\,"),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff€£¥", ""),
        **dict.fromkeys("⟨〈", r"\langle "),
        **dict.fromkeys("⟩〉", r"\rangle "),
        **dict(zip("，。％（）′", ",.%()'", strict=True)),
        **{sign: rf"\{name} " for sign, name in (pair.split(" ") for pair in _NAMES.split(", "))},
        "°": r"^\circ ",
        "ℝ": r"\mathbb{R}",
    }
)
_SUPERSCRIPTS = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+")
_SUBSCRIPTS = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")
_VULGAR_FRACTION = re.compile("[¼-¾⅐-⅞]")
_ROOT = re.compile(r"([√∛∜])\s*(?:(\d+(?:\.\d+)?|[A-Za-z]|\\pi)|\(([^()]*)\)|(?=\{))")
_ROOT_DEGREE = {"√": r"\sqrt", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]"}

_SYNONYMS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # what only changes size, colour or place
        (r"\\(?:left|right|[bB]igg?[lrm]?)(?![A-Za-z])\s*\.?(?=[\s()\[\]|\\]|$)", ""),
        (
            r"\\(?:display|text|script)style(?![A-Za-z])|\\(?:bf|rm|it|sf|tt|large|Large|LARGE|huge|Huge)(?![A-Za-z])",
            "",
        ),
        (r"\\(?:color(?:\[[^\[\]]*\])?|tag|label)\s*\{[^{}]*\}", ""),
        (r"\\[hv]space\*?\s*\{[^{}]*\}", " "),
        # thousands: 1{,}000, 10,\!080 and 10\,080 are one number each
        (r"(?<=\d)\s*(?:\{\s*,\s*\}|,\s*\\!)\s*(?=\d{3}(?!\d))", ""),
        (r"(?<=\d)\\,(?=\d{3}(?!\d))", ""),
        # spaces
        (r"(?<!\\)\\[,;:!> ]|\\q?quad(?![A-Za-z])|\\(?:thin|med|thick|neg)space(?![A-Za-z])|~|(?<!\\)\\\s", " "),
        # two names of one thing
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\frac ?(\d) ?(\d)", r"\\frac{\1}{\2}"),
        (r"\\le(?:qslant)?(?![A-Za-z])", r"\\leq"),
        (r"\\ge(?:qslant)?(?![A-Za-z])", r"\\geq"),
        (r"\\lt(?![A-Za-z])", "<"),
        (r"\\gt(?![A-Za-z])", ">"),
        (r"\\ne(?![A-Za-z])", r"\\neq"),
        (r"\\lbrace(?![A-Za-z])", r"\\{"),
        (r"\\rbrace(?![A-Za-z])", r"\\}"),
        (r"\\lbrack(?![A-Za-z])", "["),
        (r"\\rbrack(?![A-Za-z])", "]"),
        (r"\s+", " "),
        (r",? ?\\text ?\{ ?,? ?(?:and|or) ?\}", ", "),
        (r"\\varnothing(?![A-Za-z])", r"\\emptyset"),
        (r"\\ast(?![A-Za-z])", r"\\cdot"),
        (r"\*\*(?=[\w({])", "^"),
        (r"(?<=[)\]])\s*U\s*(?=[(\[])", r"\\cup "),
        (r"\+\s*(?=\\infty)", ""),
        # a degree sign, with or without its scale, and the sign of a currency
        (r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))\s*(?:(?:\\text\s*\{\s*)?[CF](?![A-Za-z])\s*\}?)?", ""),
        (r"\\(?:degree|pounds|euro)(?![A-Za-z])", ""),
        (r"\\\$|\$", ""),
        # a mixed number in one line
        (r"(?<![\d.])(\d+)\s+(\d+)\s*/\s*(\d+)(?![\d.])", r"\1\\frac{\2}{\3}"),
    )
]
_COLOURED = re.compile(r"\\(?:(?:text)?color|colorbox|fcolorbox\s*\{[^{}]*\})(?:\[[^\[\]]*\])?\s*\{[^{}]*\}\s*(?=\{)")
_MATH_FONT = re.compile(
    r"\\(?:math(?:bf|it|sf|tt|normal)|boldsymbol|bm|pmb|underline|underbrace|mathop|ensuremath|boxed|fbox)(?=\s*\{)"
)
_TEXT_FONT = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal|sc|md|up)?|emph|mathrm|mbox|hbox)\s*(?=\{(?P<plain>[^{}]*\})?)"
)
_TEXT = re.compile(r"\\text\{([^{}]*)\}")

_EDGES = re.compile(
    r"^(?:[\s=≈]|\\approx(?![A-Za-z])|\\\\|\\(?=\s))+|(?:[\s,;:]|(?<!\.)\.{1,2}|\\\\|\\newline|\\(?=$))+$"
)
_PAIRS = (("**", "**"), ("__", "__"), ("`", "`"), (r"\(", r"\)"), (r"\[", r"\]"), ("{", "}"), ("*", "*"), ("_", "_"))

_UNIT = re.compile(r"(?<=[\w)}!])\s*\\text\{[^{}]*[A-Za-z][^{}]*\}\s*(?:\^\s*(?:\d|\{\s*\d\s*\}))?$")
_UNIT_WORD = re.compile(
    r"(?<=[\d})])\s*(?:square|cubic|sq\.?|cu\.?)?\s*(?:degrees?|dollars?|cents?|euros?|USD|"
    r"feet|foot|ft|inch(?:es)?|yards?|miles?|[cmk]?met(?:er|re)s?|centimet(?:er|re)s?|kilomet(?:er|re)s?|[cmk]m|mph|km/h|"
    r"litres?|liters?|gallons?|grams?|kg|pounds?|lbs?|seconds?|minutes?|hours?|days?|weeks?|months?|years?|units?)"
    r"\.?\s*(?:\^\s*(?:\d|\{\d\}))?$"
)
_COMMAS = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])")
_SPACED = re.compile(r"[+-]?\d{1,3}(?: \d{3})+(?:\.\d+)?")
_BASE = re.compile(r"(?<=[\dA-Z])\)?\s*_\s*(?:\{(?P<braced>[^{}]*|[^{}]*\\text\{[^{}]*\}[^{}]*)\}|(?P<digit>\d))")
_NUMERALS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_BASES = {name: base for base, name in enumerate(_NUMERALS.split())}
_PERCENT = re.compile(r"\s*(?:\\?%|\\text\{\s*(?:\\?%|per\s?cent|pct)\s*\}|per\s?cent|pct)$", re.IGNORECASE)


def normal(formula: str) -> str:
    r"""An answer without its typography; what is left says the same to a reader.

    It takes off full stops and the like at the end, dollars, Markdown's stars, colours, bold, sizes of brackets,
    spaces, currency and degree signs, a unit behind a number, and separators of thousands. Unicode's signs,
    superscripts, subscripts and fractions become LaTeX's. Text keeps its ``\text{}``, whichever of LaTeX's commands
    for text it was in.

    Args:
        formula: the content of a box or a ground truth, of a length that the caller bounds.
    """
    formula = _latex(formula)
    previous = None
    while formula != previous:
        previous = formula
        formula = _COLOURED.sub(r"\\mathbf", _bare(formula))
        for pattern, replacement in _SYNONYMS:
            formula = pattern.sub(replacement, formula)
        formula = _TEXT_FONT.sub(lambda font: r"\text" if font["plain"] else r"\mathbf", formula)
        formula = _TEXT.sub(_spell, formula)
        formula = _without_fonts(formula)
    formula = " ".join(_without_unit(formula).split())
    if _SPACED.fullmatch(formula):
        return formula.replace(" ", "")
    if not any(bracket in formula for bracket in "([") and r"\{" not in formula:
        formula = _COMMAS.sub(lambda match: match.group().replace(",", ""), formula)
    return re.sub(r"^\+\s*", "", formula)


def same_notation(gold: str, found: str) -> bool:
    """Whether two formulas are the same string, white space aside; between two digits it counts."""
    return _unspaced(gold) == _unspaced(found) != ""


def _unspaced(formula: str) -> str:
    return re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", formula)


def split_percent(formula: str) -> tuple[str, bool]:
    """A normal formula without the per cent sign at its end, and whether it had one."""
    bare = _PERCENT.sub("", formula)
    return (bare, True) if bare and bare != formula else (formula, False)


def in_base(formula: str) -> tuple[str, int] | None:
    """The digits and the base of a number such as ``4210_5``, else None; the digits without leading zeros."""
    match = _BASE.search(formula)
    if match is None or match.end() != len(formula):
        return None
    digits = formula[: match.start()].lstrip("(").replace(" ", "")
    named = re.sub(r"\\text|base|[\s(){}]", "", match["braced"] or match["digit"])
    base = int(named) if named.isdecimal() else _BASES.get(named.lower())
    if base is None or not re.fullmatch(r"-?\d[\dA-Z]*", digits):
        return None
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    return sign + (digits.lstrip("0") or "0"), base


def words(formula: str) -> str | None:
    r"""The words of a normal formula that is all text or all letters, such as ``\text{(B)}`` and ``(B)``, else None."""
    text = _TEXT.fullmatch(formula)
    spelled = re.sub("[\\s().\"'“”]", "", text[1] if text else formula)
    return spelled if spelled and (text or spelled.replace(",", "").isalnum()) else None


def is_text(formula: str) -> bool:
    r"""Whether a normal formula is all text: one ``\text{}``."""
    return _TEXT.fullmatch(formula) is not None


def _latex(formula: str) -> str:
    """Unicode's mathematics as LaTeX's commands."""
    formula = _VULGAR_FRACTION.sub(_fraction, formula)
    formula = _SUPERSCRIPTS.sub(lambda m: f"^{{{unicodedata.normalize('NFKC', m.group()).replace('−', '-')}}}", formula)
    formula = _SUBSCRIPTS.sub(lambda m: f"_{{{unicodedata.normalize('NFKC', m.group())}}}", formula)
    formula = formula.translate(_SYMBOLS)
    return _ROOT.sub(_root, formula)


def _fraction(match: re.Match[str]) -> str:
    above, _, below = unicodedata.normalize("NFKC", match.group()).partition("\u2044")
    return rf"\frac{{{above}}}{{{below}}}"


def _root(match: re.Match[str]) -> str:
    radicand = match[2] or match[3]
    return _ROOT_DEGREE[match[1]] + ("" if radicand is None else f"{{{radicand}}}")


def _bare(formula: str) -> str:
    """A formula without the punctuation and the pairs of delimiters around it."""
    previous = None
    while formula != previous:
        previous = formula
        formula = _EDGES.sub("", formula)
        formula = formula.strip("$")
        for opening, closing in _PAIRS:
            inside = formula[len(opening) : len(formula) - len(closing)]
            if formula.startswith(opening) and formula.endswith(closing) and inside and _is_pair(inside, opening):
                formula = inside
    return formula


def _is_pair(inside: str, opening: str) -> bool:
    """Whether the delimiters around a text belong together."""
    if opening != "{":
        return opening not in inside
    return not inside.endswith("\\") and _closing(f"{{{inside}}}", 0) == len(inside) + 1


def _closing(formula: str, opening: int) -> int | None:
    """Where the brace closes that opens there; None if it does not."""
    depth = 0
    for brace in re.finditer(r"\\.|[{}]", formula[opening:]):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if depth == 0:
            return opening + brace.start()
    return None


def _spell(match: re.Match[str]) -> str:
    """Numbers and signs out of the text that they stand in; letters stay in it."""
    text = match[1]
    if not any(letter.isalpha() for letter in text):
        return f" {text} " if not text.strip() else text
    is_formula = "\\" in text or re.match(r"\s*[-+]?[.\d]", text)
    return text if is_formula else rf"\text{{{_EDGES.sub('', text) if match.group() == match.string else text}}}"


def _without_fonts(formula: str) -> str:
    """The content of commands that only choose a font for mathematics, without them."""
    while match := _MATH_FONT.search(formula):
        start = formula.index("{", match.end())
        end = _closing(formula, start)
        if end is None:
            return formula
        inside = formula[start + 1 : end]
        raised = formula[: match.start()].rstrip().endswith(("^", "_", "}", r"\sqrt", r"\frac"))
        formula = formula[: match.start()] + (f"{{{inside}}}" if raised else inside) + formula[end + 1 :]
    return formula


def _without_unit(formula: str) -> str:
    r"""A formula without the unit at its end, in ``\text{}`` or one of the usual words."""
    for unit in (_UNIT, _UNIT_WORD):
        bare = unit.sub("", formula).rstrip(" ,")
        if bare and not _PERCENT.fullmatch(formula[len(bare) :]):
            formula = bare
    return formula
