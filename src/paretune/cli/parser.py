"""TRL's parser, made strict.

TRL's accepts abbreviations and two spellings of a flag, does not check the types of a YAML file, and answers bad input
with a traceback or two hundred lines of usage. Here each of these is one line.
"""

import dataclasses
import os.path
from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints

from trl import TrlParser

from paretune.cli.bad_input import BadInputError
from paretune.cli.config_files import read_config_files
from paretune.cli.declared_types import NamedBounds, NamedNumbers, brief, converted, describe, fits, has_commas, shown
from paretune.cli.described import settings_class
from paretune.cli.forms import FORMS
from paretune.cli.json_text import read_mapping
from paretune.cli.named_numbers import check_once, named_bounds, named_numbers
from paretune.cli.ranges import check_ranges
from paretune.cli.regular_files import read_regular

FILES = ("accelerator_config", "fsdp_config", "deepspeed")
"""Settings that may name a JSON file."""
RESUME = "resume_from_checkpoint"
ALSO = {"resume": RESUME}
"""Shorter spellings of settings."""
NULLABLE = {"eval_temperature"}
"""Settings that may be null though their default is not."""
_ABSENT = object()


class StrictParser(TrlParser):
    """Reads flags and YAML files, and makes dataclasses of them; what it cannot take is a :class:`BadInputError`.

    Flags win over YAML files (:func:`~paretune.cli.config_files.read_config_files`).

    Args:
        homes: the dataclasses to fill; one that takes long to import is named as ``module:Class``, and imported when
            it is filled.
        prog: the command, for messages.
        hidden: fields that have another spelling here, and that spelling.
    """

    def __init__(self, homes: Sequence[type | str], *, prog: str, hidden: Mapping[str, str]) -> None:
        dataclass_types = [settings_class(home) if isinstance(home, str) else home for home in homes]
        super().__init__(dataclass_types, prog=prog, allow_abbrev=False)
        self._homes = homes
        self._hidden = dict(hidden)
        self._fields = {f.name: f for d in dataclass_types for f in dataclasses.fields(d) if f.init}
        declared = [get_type_hints(dataclass, include_extras=True) for dataclass in dataclass_types]
        self._hints = {name: hint for hints in declared for name, hint in hints.items() if name in self._fields}
        self._joined = {name for name, hint in self._hints.items() if has_commas(hint)}
        self._named = {name for name, hint in self._hints.items() if hint == NamedNumbers}
        self._bounds = {name for name, hint in self._hints.items() if hint == NamedBounds}
        if RESUME in self._hints:
            self._hints[RESUME] = bool | str | None
        self.add_argument("--config")
        self._adapt_actions()

    def _adapt_actions(self) -> None:
        """Drop TRL's spellings with hyphens, and flags that have another name here; let lists be lists."""
        for action in self._actions:
            if action.dest in self._hidden:
                dropped = list(action.option_strings)
            else:
                dropped = [option for option in action.option_strings if "-" in option[2:]]
                action.option_strings = [o for o in action.option_strings if o not in dropped]
            for option in dropped:
                del self._option_string_actions[option]
            if action.nargs is None and fits([""], self._hints.get(action.dest)):
                action.nargs = "+"
            if get_origin(action.type) is Literal:  # of a list's items
                action.type, action.choices = str, get_args(action.type)
            if action.dest == RESUME and RESUME not in self._hidden:
                action.nargs, action.const = "?", "true"
                action.option_strings += [f"--{name}" for name in ALSO]
                self._option_string_actions.update(dict.fromkeys(action.option_strings, action))

    def knows(self, name: str) -> bool:
        """Whether there is a setting of that name."""
        return name in self._hints

    @property
    def flags(self) -> Collection[str]:
        """The flags this parser knows."""
        return set(self._option_string_actions)

    def error(self, message: str) -> NoReturn:
        """Argparse's complaint, as one line."""
        raise BadInputError(f"{message} (`{self.prog} --help` lists the settings)")

    def read(self, argv: Sequence[str]) -> dict[str, Any]:
        """The settings that YAML files and flags give, by name, each of its type and in its range.

        What a command is told is read once, here; all its parts go by what this returns.

        Raises:
            BadInputError: for anything that does not fit.
        """
        self._check_spelling(argv)
        check_once(argv, [f"--{name}" for name in sorted(self._named | self._bounds)])
        given = read_config_files(_config_files(argv), lambda path, config: self.typed(config, str(path)))
        flags, remaining = self.parse_known_args(list(argv), Namespace(**dict.fromkeys(self._hints, _ABSENT)))
        if remaining:
            raise BadInputError(f"unknown argument {remaining[0]!r}{self._hint(remaining[0])}")
        for name in self._fields:
            if (value := getattr(flags, name)) is not _ABSENT:
                given[name] = self._plain(name, value, "the command line")
        return self._checked(given)

    def take(self, settings: Mapping[Any, Any], where: str) -> dict[str, Any]:
        """The same of settings that come by another way than a command line.

        Args:
            settings: by name, as in a YAML file.
            where: what a message calls their source.

        Raises:
            BadInputError: for anything that does not fit.
        """
        return self._checked(self.typed(settings, where))

    def make(self, settings: Mapping[str, Any]) -> tuple[Any, ...]:
        """The dataclasses with these settings, and their own defaults for all others.

        Raises:
            BadInputError: if a dataclass refuses them.
        """
        try:
            return tuple(
                dataclass(**{f.name: settings[f.name] for f in dataclasses.fields(dataclass) if f.name in settings})
                for dataclass in map(_imported, self._homes)
            )
        except OSError as error:
            raise BadInputError(f"a setting names a file that cannot be read: {error}") from error
        except Exception as error:  # the settings' own checks raise whatever a wrong value runs into
            raise BadInputError(str(error) or type(error).__name__) from error

    def typed(self, config: Mapping[Any, Any], where: str) -> dict[str, Any]:
        """Settings out of a YAML file, each of its type.

        Raises:
            BadInputError: for one that is not known, or of another type.
        """
        settings = {}
        for key, value in config.items():
            name = ALSO.get(key, key) if isinstance(key, str) else key
            if name in self._hidden or name not in self._hints:
                raise BadInputError(f"{where}: unknown setting {brief(key)}{self._hint(str(key))}")
            hint = self._hints[name]
            if not fits(value, hint):
                raise BadInputError(f"{where}: {key} expects {describe(hint)}, got {shown(value)}{_yaml_trap(value)}.")
            settings[name] = self._plain(name, converted(value, hint), where)
        return settings

    def _plain(self, name: str, value: Any, where: str) -> Any:
        """A value in the one form that all parts of a command know."""
        if isinstance(value, list) and name in self._joined:
            value = ",".join(map(str, value))
        elif isinstance(value, list) and len(value) == 1 and fits(value[0], self._hints[name]):
            value = value[0]
        if name in self._bounds and value is not None:
            return named_bounds(value)
        if not isinstance(value, str):
            return value
        if name in self._named:
            return named_numbers(f"--{name}", value)
        if "\0" in value:
            raise BadInputError(f"{where}: {name} has a NUL in it, got {shown(value)}: take it out.")
        if fits({}, self._hints[name]):
            if name not in FILES or value.lstrip().startswith(("{", "[")):
                return read_mapping(name, value)
            if os.path.exists(value):
                read_regular(Path(value), f"--{name} {value}")  # transformers would wait for a pipe
        return value

    def _checked(self, given: dict[str, Any]) -> dict[str, Any]:
        """The settings, every number in its range: further checks, and TRL's, need not ask what 0 would do."""
        check_ranges(given, {name for name, field in self._fields.items() if _has_value(field)} - NULLABLE)
        return given

    def _check_spelling(self, argv: Sequence[str]) -> None:
        for argument in argv:
            name = argument.split("=", 1)[0]
            if not name.startswith("--"):
                continue
            if name not in self.flags:
                raise BadInputError(f"unknown flag {name}{self._hint(name)}")

    def _hint(self, name: str) -> str:
        bare = name.lstrip("-").replace("-", "_")
        if bare in self._hidden:
            return f": here it is spelled {self._hidden[bare]}."
        known = [flag[2:] for flag in self.flags if flag.startswith("--")]
        close = [k for k in known if k.startswith(bare)][:1] or get_close_matches(bare, known, n=1)
        return f": did you mean {close[0]}?" if close else f" (`{self.prog} --help` lists the settings)."


@cache
def make_parser(prog: str = "paretune train") -> StrictParser:
    """The parser of a command, which reading does not change: it is made once.

    Args:
        prog: ``paretune COMMAND``.
    """
    form = FORMS[prog.split()[1]]
    return StrictParser(form.types, prog=prog, hidden=form.hidden)


def _imported(home: type | str) -> type:
    if not isinstance(home, str):
        return home
    module, _, name = home.partition(":")
    found: type = getattr(import_module(module), name)
    return found


def _has_value(field: "dataclasses.Field[Any]") -> bool:
    """Whether a setting's default is a value, not None: then it cannot do without one."""
    return field.default not in (None, dataclasses.MISSING)


def _config_files(argv: Sequence[str]) -> list[Path]:
    """The files that ``--config FILE`` and ``--config=FILE`` name, in their order."""
    files: list[Path] = []
    arguments = iter(argv)
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name != "--config":
            continue
        file = value if equals else next(arguments, None)
        if file is None:
            raise BadInputError("--config needs a YAML file.")
        files.append(Path(file))
    return files


def _yaml_trap(value: Any) -> str:
    return "; YAML reads a bare yes or no as a truth value, so quote it" if isinstance(value, bool) else ""
