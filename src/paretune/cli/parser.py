"""TRL's parser, made strict.

TRL's accepts abbreviations and two spellings of a flag, does not check the types of a YAML file, and answers bad input
with a traceback or two hundred lines of usage. Here each of these is one line.
"""

import dataclasses
import os.path
import types
from argparse import SUPPRESS
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

import yaml
from trl import TrlParser

from paretune.cli.bad_input import BadInputError

BASE = "base"
"""The YAML key that names the files a file builds on."""


class StrictParser(TrlParser):
    """Parses flags and YAML files into dataclasses; whatever it cannot take is a :class:`BadInputError`.

    A YAML file may build on others: ``base: [FILE, ...]``, with paths from its own folder. Later bases win over earlier
    ones, the file over its bases, a second ``--config`` over the first, and flags over all of them. A setting is
    replaced as a whole, mappings like ``rule_settings`` too.

    Args:
        dataclass_types: the dataclasses to fill.
        prog: the command, for its help.
        hidden: fields that have another spelling here, and that spelling.
    """

    def __init__(self, dataclass_types: Sequence[type], *, prog: str, hidden: Mapping[str, str]) -> None:
        usage = f"{prog} [--config FILE]... [--SETTING VALUE ...]"
        super().__init__(dataclass_types, prog=prog, usage=usage, allow_abbrev=False)
        self._hidden = dict(hidden)
        self._hints = {
            field.name: hints[field.name]
            for dataclass, hints in [(d, get_type_hints(d)) for d in dataclass_types]
            for field in dataclasses.fields(dataclass)
            if field.init
        }
        self.add_argument(
            "--config",
            metavar="FILE",
            help="a YAML file of these settings; flags override it, and so does a further --config FILE",
        )
        self._keep_one_spelling()

    def _keep_one_spelling(self) -> None:
        """Drop TRL's spellings with hyphens, and the flags that have another name here."""
        for action in self._actions:
            if action.dest in self._hidden:
                action.help = SUPPRESS
                dropped = list(action.option_strings)
            else:
                dropped = [option for option in action.option_strings if "-" in option[2:]]
                action.option_strings = [o for o in action.option_strings if o not in dropped]
            for option in dropped:
                del self._option_string_actions[option]

    @property
    def flags(self) -> Collection[str]:
        """The flags this parser knows."""
        return set(self._option_string_actions)

    def error(self, message: str) -> NoReturn:
        """Argparse's complaint, as one line."""
        raise BadInputError(f"{message} (`{self.prog} --help` lists the settings)")

    def parse(self, argv: Sequence[str], defaults: Mapping[str, Any]) -> tuple[Any, ...]:
        """The dataclasses, from `defaults`, then the YAML files, then the flags.

        Raises:
            BadInputError: for anything that does not fit.
        """
        self._check_spelling(argv)
        self.set_defaults(**defaults)
        self.set_defaults(**self.config_of(argv))
        try:
            *parsed, _namespace, remaining = self.parse_args_into_dataclasses(
                list(argv), return_remaining_strings=True, look_for_args_file=False
            )
        except (ValueError, TypeError, ImportError) as error:
            raise BadInputError(error) from error
        if remaining:
            raise BadInputError(f"unknown argument {remaining[0]!r}{self._hint(remaining[0])}")
        return tuple(parsed)

    def given(self, argv: Sequence[str], name: str) -> Any:
        """The value of one setting in flags or YAML files, or None; its check is left to :meth:`parse`."""
        flag = f"--{name}"
        for i, argument in reversed(list(enumerate(argv))):  # the last one counts, as in parsing
            if argument == flag and i + 1 < len(argv):
                return argv[i + 1]
            if argument.startswith(f"{flag}="):
                return argument.split("=", 1)[1]
        return self.config_of(argv).get(name)

    def config_of(self, argv: Sequence[str]) -> dict[str, Any]:
        """The settings in the YAML files that ``--config`` names, checked; empty without one."""
        settings: dict[str, Any] = {}
        for path in _config_files(argv):
            settings |= self._settings_in(path)
        return settings

    def _settings_in(self, path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
        """The settings in a YAML file and its bases.

        Args:
            path: the file.
            above: the files that build on it, the one on the command line first.
        """
        named = f"{above[-1]}: {BASE} {path}" if above else f"--config {path}"
        try:
            config = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise BadInputError(f"{named}: {error.strerror or error}.") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise BadInputError(f"{path} is not valid YAML: {error}") from error
        if not isinstance(config, dict):
            raise BadInputError(f"{path} must hold `setting: value` lines, found {type(config).__name__}.")
        bases = config.pop(BASE, [])
        if not _fits(bases, str | list[str]):
            raise BadInputError(f"{path}: {BASE} expects a file or a list of files, got {bases!r}.")
        self._check_settings(path, config)
        settings: dict[str, Any] = {}
        for base in [bases] if isinstance(bases, str) else bases:
            # Not resolved: messages should name files as the user would.
            file = Path(os.path.normpath(path.parent / base))
            chain = (*above, path, file)
            if any(file.resolve() == other.resolve() for other in chain[:-1]):
                raise BadInputError(f"{path}: {BASE} {file} leads back to itself: {' → '.join(map(str, chain))}.")
            settings |= self._settings_in(file, (*above, path))
        return settings | {key: _converted(value, self._hints[key]) for key, value in config.items()}

    def _check_settings(self, path: Path, config: Mapping[Any, Any]) -> None:
        for key, value in config.items():
            if key in self._hidden or key not in self._hints:
                raise BadInputError(f"{path}: unknown setting {key!r}{self._hint(str(key))}")
            if not _fits(value, self._hints[key]):
                raise BadInputError(
                    f"{path}: {key} expects {_describe(self._hints[key])}, "
                    f"got {value!r} ({type(value).__name__}){_yaml_trap(value)}."
                )

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


def _fits(value: Any, hint: Any) -> bool:
    """Whether a YAML value is of the type that the setting declares."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, member) for member in get_args(hint))
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(hint))
    if origin is list:
        return isinstance(value, list) and all(_fits(v, get_args(hint)[0]) for v in value)
    if origin is dict or hint is dict:
        return isinstance(value, dict)
    if hint is Any:
        return True
    if hint is float:
        return _number(value) is not None
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return value in [member.value for member in hint]
    return hint is type(value) or (hint in (None, types.NoneType) and value is None)


def _number(value: Any) -> float | None:
    """A YAML number; YAML 1.1 reads 1e-6 (without a point) as a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _converted(value: Any, hint: Any) -> Any:
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return _number(value) if isinstance(value, str) and float in members and str not in members else value


def _describe(hint: Any) -> str:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(m) for m in get_args(hint) if m is not types.NoneType)
    if origin is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(hint))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "one of " + ", ".join(str(member.value) for member in hint)
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    if hint in names:
        return names[hint]
    return {list: "a list", dict: "a mapping"}.get(origin or hint, str(hint))


def _yaml_trap(value: Any) -> str:
    return "; YAML reads a bare yes or no as a truth value, so quote it" if isinstance(value, bool) else ""
