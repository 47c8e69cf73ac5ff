"""Properties of accuracy over the published answers: how one is typeset does not matter, what it says does."""

import re
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from paretune.objectives import accuracy

DATA = Path(__file__).parents[2] / "../shared/data"

pytestmark = pytest.mark.skipif(not (DATA / "math500").is_dir(), reason=f"{DATA} is not there")

TEXT = r"\\(?:text|mbox)\{[^{}]*\}"
COMMAND = r"\\(?:begin|end)\{[^{}]*\}|\\[A-Za-z]+"


def judge(truth, text):
    return accuracy([text], answer=[truth])[0]


def box(answer):
    return f"so \\boxed{{{answer}}}"


def around(before, after=""):
    return lambda answer: box(before + answer + after)


def changed(pattern, replacement):
    return lambda answer: box(re.sub(pattern, replacement, answer))


def sized(answer):
    if r"\left" in answer:
        return box(answer)
    return box(re.sub(r"(?<!\\)([)\]])", r"\\right\1", re.sub(r"(?<!\\)([(\[])(?!\d\]\{)", r"\\left\1", answer)))


def unsaid(answer):
    names_nothing = not re.search(r"[=<>,]|\\in|\\leq|text|pm", answer) and len(answer) > 1
    return box(f"x = {answer}" if names_nothing else answer)


# How else one may write an answer. None of it changes what is said.
TYPOGRAPHY = {
    "as it is": box,
    "full stop inside": around("", "."),
    "full stop outside": lambda answer: box(answer) + ".",
    "comma": around("", ","),
    "spaces": around("  ", " "),
    "lines": around("\n", "\n"),
    "thin spaces": around(r"\,", r"\,"),
    "negative space": around(r"\!"),
    "quad": around("", r"\quad"),
    "dollars": around("$", "$"),
    "dollars and full stop": around("$", "$."),
    "full stop in dollars": around("$", ".$"),
    "parentheses of math mode": around(r"\(", r"\)"),
    "line break": around("", r"\\"),
    "braces": around("{", "}"),
    "stars": around("**", "**"),
    "stars outside": lambda answer: f"**{box(answer)}**",
    "box in a box": lambda answer: f"\\boxed{{{box(answer).removeprefix('so ')}}}",
    "textcolor": around(r"\textcolor{red}{", "}"),
    "color": around(r"\color{red}"),
    "color in braces": around(r"{\color{blue} ", "}"),
    "mathbf": around(r"\mathbf{", "}"),
    "boldsymbol": around(r"\boldsymbol{", "}"),
    "underline": around(r"\underline{", "}"),
    "displaystyle": around(r"\displaystyle "),
    "dfrac": changed(r"\\[dtc]?frac", r"\\dfrac"),
    "tfrac": changed(r"\\[dtc]?frac", r"\\tfrac"),
    "slash": changed(r"^(-?)\\frac\{(\d+)\}\{(\d+)\}$", r"\1\2/\3"),
    "left and right": sized,
    "no left and right": changed(r"\\(?:left|right)", ""),
    "bigl and bigr": lambda answer: box(answer.replace(r"\left", r"\bigl").replace(r"\right", r"\bigr")),
    "no spaces": changed(r"(?<![A-Za-z]) | (?![A-Za-z])", ""),
    "textbf": changed(r"\\text\{", r"\\textbf{"),
    "mbox": changed(r"\\text\{", r"\\mbox{"),
    "mathrm": changed(r"\\text\{", r"\\mathrm{"),
    "no text": changed(r"^\\text\{(.*)\}$", r"\1"),
    "minus sign": changed("-", "−"),
    "plus sign": changed(r"^(?=\d)", "+"),
    "pi": changed(r"\\pi", "π"),
    "root": changed(r"\\sqrt\{(\d+)\}", r"√\1"),
    "degree sign": changed(r"\^\\circ", "°"),
    "cup": lambda answer: box(answer.replace(r"\cup", "∪").replace(r"\infty", "∞")),
    "superscripts": changed(r"\^(\d)(?!\d)", lambda power: "⁰¹²³⁴⁵⁶⁷⁸⁹"[int(power[1])]),
    "per cent sign": changed(r"\\%", "%"),
    "a name": unsaid,
}


def another_number(which):
    def change(answer):
        numbers = list(re.finditer(r"\d+", answer))
        # a unit's power is no part of the number
        if not numbers or re.search(r"(?:text|mbox)\{[^{}]*\}\^?$", answer[: numbers[which].start()]):
            return answer
        number = numbers[which]
        after = str(int(number[0]) + 1).zfill(len(number[0]))
        return answer[: number.start()] + after + answer[number.end() :]

    return change


def other_case(answer):
    pieces = re.split(f"({TEXT}|{COMMAND})", answer)
    return "".join(piece if piece.startswith("\\") else piece.swapcase() for piece in pieces)


def closed(answer):
    is_tuple = re.fullmatch(r"(?:\\left)?\([^()]*,[^()]*(?:\\right)?\)", answer)
    return answer.replace("(", "[").replace(")", "]") if is_tuple else answer


def opened(answer):
    return answer if r"\sqrt[" in answer else answer.replace("[", "(").replace("]", ")")


def as_set(answer):
    return re.sub(r"^\(([^()]*,[^()]*)\)$", r"\\{\1\\}", answer)


# What says something else.
OTHERS = {
    "the first number": another_number(0),
    "the last number": another_number(-1),
    "a digit more": lambda answer: re.sub(r"^(-?[1-9]\d*)$", r"\g<1>0", answer),
    "a little more": lambda answer: re.sub(r"^(-?\d+)$", r"\1.0001", answer),
    "the other case": other_case,
    "square brackets": closed,
    "round brackets": opened,
    "a set": as_set,
    "a list": lambda answer: re.sub(r"^\(([^()]*,[^()]*)\)$", r"\1", answer),
    "another base": lambda answer: re.sub(r"(\d)_\{?(\d+)\}?$", lambda m: f"{m[1]}_{int(m[2]) + 1}", answer),
    "no root": lambda answer: answer.replace(r"\sqrt{", "{", 1),
    "another sign": lambda answer: answer.replace("-", "+") if not re.search(r"\\in|\^", answer) else answer,
}


@cache
def published():
    files = [
        DATA / task / f"{split}.parquet" for task in ("math500", "math_algebra") for split in ("train", "val", "test")
    ]
    rows = [row["ground_truth"] for file in files for row in pq.read_table(file)["reward_model"].to_pylist()]
    assert len(rows) == 3431
    return sorted(set(rows))


def wrongly_refused(answers, manners):
    return [(how, answer) for answer in answers for how in manners if judge(answer, TYPOGRAPHY[how](answer)) != 1.0]


def wrongly_accepted(answers, manners):
    changes = [(how, answer, OTHERS[how](answer)) for answer in answers for how in manners]
    return [change for change in changes if change[1] != change[2] and judge(change[1], box(change[2])) != 0.0]


def test_every_answer_is_itself_with_a_full_stop_too():
    assert wrongly_refused(published(), ["as it is", "full stop inside", "full stop outside"]) == []


@pytest.mark.parametrize("how", TYPOGRAPHY)
def test_some_answers_are_right_in_any_typography(how):
    assert wrongly_refused(published()[::30], [how]) == []


@pytest.mark.parametrize("how", OTHERS)
def test_some_other_answers_are_wrong(how):
    telling = [answer for answer in published() if OTHERS[how](answer) != answer]
    assert len(telling) > 3
    assert wrongly_accepted(telling[:: max(1, len(telling) // 8)], [how]) == []


@pytest.mark.slow
def test_all_answers_are_right_in_any_typography():
    assert wrongly_refused(published(), TYPOGRAPHY) == []


@pytest.mark.slow
def test_all_other_answers_are_wrong():
    assert wrongly_accepted(published(), OTHERS) == []
