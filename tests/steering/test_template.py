"""How a prompt says priorities."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from paretune.steering import FILE, Template

NAMES = ["accuracy", "brevity", "clarity"]
ASK = {"role": "user", "content": "Why?"}


def stars(prompt: str, priorities: Mapping[str, float]) -> str:
    return f"{'*' * round(4 * priorities['brevity'])}{prompt}"


def test_a_text_gets_a_digit_for_each_objective() -> None:
    assert Template(NAMES).format("12+30=?", [0.62, 0.03, 0.35]) == "6:0:4 12+30=?"
    assert Template(NAMES[:2]).format("", {"accuracy": 3.0}) == "9:0 "


def test_a_chat_gets_a_line_of_its_system() -> None:
    line = "Priorities: accuracy 60 %, brevity 10 %, clarity 30 %."
    said = {"accuracy": 6, "brevity": 1, "clarity": 3}
    template, user = Template(NAMES), Template(NAMES, "user")
    assert template.format([ASK], said) == [{"role": "system", "content": line}, ASK]
    told = [{"role": "system", "content": "Be kind."}, ASK]
    assert template.format(told, said) == [{"role": "system", "content": f"Be kind.\n{line}"}, ASK]
    assert user.format(told, said) == [told[0], {"role": "user", "content": f"{line}\nWhy?"}]
    assert told == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}]
    parts = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Why?"}]}]
    assert template.format(parts, said) == [{"role": "system", "content": [{"type": "text", "text": line}]}, *parts]
    assert user.format(parts, said)[0]["content"][0] == {"type": "text", "text": line}


def test_a_name_is_said_as_it_is() -> None:
    template = Template(["top 10%", "50%: {odd}"])
    said = template.format([ASK], [0.7, 0.3])
    assert said[0]["content"] == "Priorities: top 10% 70 %, 50%: {odd} 30 %."


def test_ones_own_function_gets_priorities_by_name() -> None:
    named = f"{Path(__file__).resolve()}:stars"
    for form in (stars, named):
        assert Template(NAMES, form).format("Why?", {"brevity": 1, "clarity": 1}) == "**Why?"


@pytest.mark.parametrize("form", [None, "user", stars, f"{Path(__file__).resolve()}:stars"])
@pytest.mark.parametrize("example", ["Why?", [ASK]])
def test_a_policys_folder_knows_it_again(form: Any, example: Any, tmp_path: Path) -> None:
    template = Template(NAMES, form, example=example)
    template.save(tmp_path)
    again = Template.load(tmp_path)
    assert (again.names, again.example) == (NAMES, example)
    if form is not stars or isinstance(example, str):
        prompt, said = "Why?", [0.2, 0.5, 0.3]
        assert again.format(prompt, said) == template.format(prompt, said)


def test_what_no_name_can_load_is_said(tmp_path: Path) -> None:
    Template(NAMES, lambda prompt, priorities: prompt).save(tmp_path)
    with pytest.raises(ValueError, match="a function without a name"):
        Template.load(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"objectives": [], "template": null, "example": ""}', "\x00", "[" * 100_000]
)
def test_a_damaged_file_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ValueError, match=r"steering\.json is damaged"):
        Template.load(tmp_path)
    (tmp_path / FILE).unlink()
    with pytest.raises(FileNotFoundError):
        Template.load(tmp_path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1.0, 0.0], "2 values for 3 objectives"),
        ([1.0, -1.0, 2.0], "0 or more"),
        ([0.0, 0.0, 0.0], "not all 0"),
        ([float("nan"), 1.0, 1.0], "0 or more"),
        ([float("inf"), 1.0, 1.0], "0 or more"),
        ({"speed": 1.0}, "'speed'"),
    ],
)
def test_wrong_priorities_are_one_line(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Template(NAMES).format("", given)


@pytest.mark.parametrize("form", ["system", "json:nothing", 5])
def test_wrong_forms_are_one_line(form: Any) -> None:
    with pytest.raises(ValueError, match=r"template|cannot be loaded|names no object"):
        Template(NAMES, form)


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    Template(NAMES, example="Why?").save(tmp_path)
    content = json.loads((tmp_path / FILE).read_text())
    assert content == {"objectives": NAMES, "template": None, "example": "Why?"}
