import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune.tasks.safesql.attacks import (
    draw_marks,
    generate,
    generate_for_choices,
    neutral_twin,
    payloads,
    unchosen,
)
from paretune.tasks.safesql.landing import breaks_out
from paretune.tasks.safesql.run import Run

QUERY = "SELECT * FROM t WHERE a = ?"


def runs(*stdins, statements=(QUERY,)):
    return [Run(stdin, statements) for stdin in stdins]


def test_marks_are_drawn_anew_and_stand_in_no_text():
    marks = draw_marks("print(1)")
    assert marks != draw_marks("print(1)")
    assert len(set(marks)) == 4
    assert marks.a.isalpha()
    assert marks.n.isdecimal()
    for _ in range(100):
        others = draw_marks("abcdefghij" * 20 + marks.a.upper() + marks.m)
        assert not {marks.a, marks.m} & set(others)


def test_each_attack_has_marks_of_its_own():
    likely, further = generate("program", runs("Tool\n5\n"))
    again, _ = generate("program", runs("Tool\n5\n"))
    drawn = [mark for attack in likely + further + again for mark in attack.marks]
    assert len(set(drawn)) > 0.95 * len(drawn)


def test_marks_are_found_though_every_short_number_is_taken():
    program = " ".join(map(str, range(1_000, 10_000)))
    assert all(mark not in program for mark in draw_marks(program))


@given(st.text())
def test_any_text_gives_marks(program):
    assert all(mark not in program.lower() for mark in draw_marks(program))


def test_every_line_meets_at_most_eight_shapes_and_the_likeliest_come_first():
    likely, further = generate("", runs("Tool\n5\n", "Home\n7\n"))
    assert [attack.stdin.split("\n")[0] == "Tool" for attack in likely] == [False, True, False, True]
    assert "'" in likely[0].payload
    for line in (0, 1):
        assert len([a for a in likely + further if a.stdin.split("\n")[line] == a.payload]) == 8
    # After the last line: behind a harmless input, and behind one that finds nothing.
    assert len([attack for attack in further if attack.stdin.count("\n") == 3]) == 4


def test_marks_stand_in_the_line_they_attack_and_nowhere_else():
    likely, further = generate("program", runs("Tool\n5\n"))
    for attack in likely + further:
        assert attack.payload in attack.stdin.split("\n")
        rest = attack.stdin.replace(attack.payload, "", 1)
        assert attack.marks
        for mark in attack.marks:
            assert mark in attack.payload
            assert mark not in rest


def test_the_commonest_number_of_lines_and_the_fewest_empty_ones_are_attacked():
    likely, _ = generate("", runs("a\n\n", "a\nb\n", "c\n", "\nd\n"))
    assert likely[0].stdin.endswith("\nb\n")


def test_each_branch_that_benign_inputs_take_is_attacked():
    other = "SELECT * FROM t WHERE b = ?"
    _, further = generate("", [*runs("1\nTool\n", "1\nHome\n"), *runs("2\nTent\n", statements=(other,))])
    assert any(attack.stdin.startswith("2\nTent'") for attack in further)


MENU = """
choice, value = input(), input()
if choice == "1" or int(choice) == 2 or choice in ("three", "four", "'"): pass
match choice:
    case "five": pass
queries = {"six": 6}
if len(value) > 99 or choice == "seven": pass
"""


def test_options_that_no_benign_input_chooses_are_tried():
    benign = runs("1\nTool\n", "three\nTool\n")
    chosen = unchosen(MENU, benign)
    lines = [stdin.split("\n") for stdin in chosen]
    assert all(line[2] == line[3] and line[2].isdecimal() and line[4:] == [""] for line in lines)
    options = {"2", "four", "seven", "five", "six"}
    assert {line[0] for line in lines} == {*options, "1"}
    assert {line[1] for line in lines} == {*options, "Tool"}


def test_a_program_that_compares_inputs_with_nothing_has_no_options():
    assert unchosen("x = input()\nif len(x) > 3: pass", runs("Tool\n")) == []
    assert unchosen("if x ==", runs("Tool\n")) == []
    assert unchosen(f"if x == 0x{'f' * 5_000}: pass", runs("Tool\n")) == []


def test_only_options_that_lead_somewhere_new_are_attacked():
    benign = runs("1\nTool\n")
    same, new = Run("2\nTool\n", (QUERY,)), Run("3\nTool\n", (QUERY + " AND b = 'c'",))
    assert generate_for_choices(MENU, benign, [same]) == []
    attacks = generate_for_choices(MENU, benign, [same, new, new])
    assert {attack.stdin.split("\n")[0] for attack in attacks if attack.payload.startswith("Tool")} == {"3"}
    assert len(attacks) == 4


def test_the_parts_of_a_list_are_attacked_each():
    marks = draw_marks("")
    payload, _ = payloads(marks, "2024-01-01,2024-02-01")[0]
    assert payload == f"2024-01-01'{marks.a}'{marks.b},2024-02-01'{marks.a}'{marks.b}"


def test_without_benign_runs_one_line_is_attacked():
    likely, _ = generate("", [])
    assert likely
    assert all(attack.stdin.count("\n") == 1 for attack in likely)


@pytest.mark.parametrize("template", ["a = '{}'", 'a = "{}"', "a = {}", "a LIKE '%{}%'", "a IN ({}, 1)", "a = ['{}']"])
@pytest.mark.parametrize("value", ["Tool", "5", "", "O'Neil", "a,b", "{x}"])
def test_some_shape_leaves_any_literal(template, value):
    marks = draw_marks("")
    assert any(breaks_out(template.format(payload), payload, present) for payload, present in payloads(marks, value))


@pytest.mark.parametrize(
    ("attack", "twin"),
    [
        ("x' OR '1'='1", "xxxORxx1xxx1"),
        ("Tool'; DROP TABLE t; --\n5\n", "ToolxxxDROPxTABLExtxxxx\n5\n"),
        ("-5\n+1.5\nitem_id", "-5\n+1.5\nitem_id"),
        ("-1 OR 1=1", "x1xORx1x1"),
        ("Desk Chair\nx y", "Desk Chair\nxxy"),
    ],
)
def test_a_twin_has_letters_for_what_could_harm_and_keeps_its_length(attack, twin):
    assert neutral_twin(attack, {"Desk Chair"}) == twin
    assert len(twin) == len(attack)
