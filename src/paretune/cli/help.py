"""The help of commands: first what a newcomer sets, then how to see the rest.

All of it comes from the dataclasses that a command fills and from the rules' own docstrings.
"""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from textwrap import fill, wrap
from typing import Any, get_type_hints

from paretune.cli import described
from paretune.cli.arguments import FIRST, RunArguments
from paretune.cli.bad_input import BadInputError
from paretune.cli.declared_types import NamedBounds, NamedNumbers, describe
from paretune.cli.forms import FORMS, Form
from paretune.cli.parser import ALSO, RESUME
from paretune.named_objects import check_name, is_named

WIDTH = 80
COLUMN = 26
"""Where descriptions begin."""
SHORTEST = 2
"""Lines of a description on the first page, at most."""
GROUPS = {
    "paretune": "further settings of paretune",
    "trl": "settings of TRL: GRPOConfig and ModelConfig",
    "transformers": "settings of transformers: TrainingArguments",
}
OWN_HELP = {
    RESUME: "go on from this checkpoint, or without a value from the newest one in `output_dir`",
    "config": "a YAML file of these settings; flags override it, and so does a further --config FILE",
}


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting as the help shows it.

    Attributes:
        flag: its flag.
        group: ``first``, or one of :data:`GROUPS`.
        value: a word for its values.
        text: what it is, and its default.
    """

    flag: str
    group: str
    value: str
    text: str


def help_of(command: str, argv: Sequence[str]) -> str:
    """The help of a command, or the part of it that the words after ``--help`` ask for.

    Raises:
        BadInputError: if there is no such part.
    """
    form = FORMS[command]
    asked = [word for word in argv if word not in ("-h", "--help")]
    settings = _settings(form)
    topic, *names = asked or [""]
    if topic == "rule" and len(names) == 1 and _trains(form):
        return _rule_page(command, names[0])
    if topic in GROUPS and not names and any(setting.group == topic for setting in settings):
        return _list(GROUPS[topic], [setting for setting in settings if setting.group == topic])
    known = [setting for setting in settings if setting.flag.lstrip("-") == topic.lstrip("-").partition("=")[0]]
    if known and not names:
        return _list(f"paretune {command}", known)
    if topic == "all" and not names:
        parts = ((title, [s for s in settings if s.group == name]) for name, title in GROUPS.items())
        return "\n\n".join([_first_page(command, form, settings), *(_list(*part) for part in parts if part[1])])
    if asked and not topic.startswith("-") and len(argv) > 1 and argv[0] in ("-h", "--help"):
        topics = ["rule NAME", *GROUPS, "all"] if _trains(form) else []
        raise BadInputError(
            f"`paretune {command} --help` has no part {' '.join(asked)!r}: give a setting"
            f"{' or one of ' + ', '.join(topics) if topics else ''}."
        )
    return _first_page(command, form, settings)


def _first_page(command: str, form: Form, settings: Sequence[Setting]) -> str:
    usage = f"usage: paretune {command}{form.words and ' ' + form.words} [--config FILE]... [--SETTING VALUE ...]"
    parts = [usage]
    if form.about:
        parts.append(fill(form.about, WIDTH))
    parts.append(_list("settings", [s for s in settings if s.group == "first"], SHORTEST))
    counts = {group: sum(setting.group == group for setting in settings) for group in GROUPS}
    rows = [(f"--help {group}", f"{count} {GROUPS[group]}") for group, count in counts.items() if count]
    if rows:
        rows = [("--help rule NAME", "the settings of a rule: nash, my.module:Rule, rule.py:Rule"), *rows]
        rows += [("--help all", "all settings"), ("--help SETTING", "one of them")]
        rows += [("accelerate launch --help", "flags that start several processes, taken as well")] * form.launches
        parts.append("\n".join(["more", *(_row(flag, text) for flag, text in rows)]))
    return "\n\n".join(parts)


def _rule_page(command: str, name: str) -> str:
    """What a rule does, and its settings."""
    rule = _rule(name)
    parts = [fill(f"{name}: {rule.line}", WIDTH), *map(_paragraph, rule.text.split("\n\n"))]
    if not rule.settings:
        return "\n\n".join([*parts, "This rule has no settings."])
    example = next(iter(rule.settings))
    parts.append(
        fill(f"settings, as JSON: paretune {command} --rule {name} --rule_settings '{{\"{example}\": …}}'", WIDTH)
    )
    for setting, told in rule.settings.items():
        default = "needed" if told.default is None else f"default {told.default}"
        parts.append("\n".join([f"  {setting}: {told.expects}; {default}", _wrapped(_plain(told.text), 6)]).rstrip())
    return "\n\n".join(parts)


def _rule(name: str) -> described.RuleDescription:
    try:
        if not is_named(name):
            check_name("rule", name, described.rules())
            return described.rules()[name]
        from paretune.cli.describing import describe_rule
        from paretune.weighting import rule_class

        return describe_rule(rule_class(name))
    except ValueError as error:
        raise BadInputError(f"--help rule: {error}") from error


def _settings(form: Form) -> list[Setting]:
    """All settings of a command, those of the first page first and in its order."""
    found = {}
    for home in form.types:
        cls = described.settings_class(home) if isinstance(home, str) else home
        groups = described.groups(home) if isinstance(home, str) else {}
        hints = get_type_hints(cls)
        for field in dataclasses.fields(cls):
            if field.name not in form.hidden:
                group = groups.get(field.name, "paretune" if cls is RunArguments else "first")
                found[field.name] = _setting(field, hints[field.name], group)
    found["config"] = Setting("--config", "first", "FILE", OWN_HELP["config"])
    order = [name for name in FIRST if name in found]
    first = [dataclasses.replace(found.pop(name), group="first") for name in order]
    return [*first, *found.values()]


def _setting(field: "dataclasses.Field[Any]", hint: Any, group: str) -> Setting:
    flag = next((short for short, name in ALSO.items() if name == field.name), field.name)
    text = OWN_HELP.get(field.name) or " ".join(str(field.metadata.get("help", "")).split())
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if default not in (None, "", False) and default is not dataclasses.MISSING:
        text += f" (default: {' '.join(map(str, default)) if isinstance(default, list) else default})"
    by_name = {NamedNumbers: "NAME=NUMBER,…", NamedBounds: "NAME=LOW:HIGH,…"}
    return Setting(f"--{flag}", group, by_name.get(hint) or _value(describe(hint)), text)


def _value(expected: str) -> str:
    """A word for what a type takes."""
    words = {"true or false": "", "a whole number": "N", "a number": "NUMBER", "a mapping": "JSON"}
    first = expected.split(" or ")[0]
    if expected.startswith("one of "):
        choices = expected.removeprefix("one of ").split(" or ")[0].split(", ")
        return "|".join(choices) if len("|".join(choices)) < COLUMN else "NAME"
    return words.get(expected, words.get(first, "VALUE"))


def _list(title: str, settings: Iterable[Setting], most_lines: int | None = None) -> str:
    return "\n".join([title, *(_row(f"{s.flag} {s.value}".strip(), s.text, most_lines) for s in settings)])


def _row(left: str, text: str, most_lines: int | None = None) -> str:
    lines = _wrapped(text, COLUMN, most_lines)
    if len(left) + 4 > COLUMN:
        return f"  {left}\n{lines}"
    return f"  {left:<{COLUMN - 2}}{lines.lstrip()}"


def _wrapped(text: str, column: int, most_lines: int | None = None) -> str:
    margin = " " * column
    lines = wrap(text, WIDTH, initial_indent=margin, subsequent_indent=margin, max_lines=most_lines, placeholder=" …")
    return "\n".join(lines)


def _trains(form: Form) -> bool:
    return any(isinstance(home, str) for home in form.types)


def _paragraph(text: str) -> str:
    """A paragraph of a docstring; formulas, which are indented, keep their lines."""
    plain = _plain(text)
    return plain if any(line.startswith(" ") for line in plain.splitlines()) else fill(plain, WIDTH)


def _plain(text: str) -> str:
    """A docstring without its markup."""
    return re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"\1", text).replace("``", "")
