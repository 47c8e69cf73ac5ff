"""TRL's parser, made strict.

TRL's accepts abbreviations and two spellings of a flag, does not check the types of a YAML file, and answers bad input
with a traceback or two hundred lines of usage. Here each of these is one line.
"""

import dataclasses
import os.path
from argparse import SUPPRESS, Namespace
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

from trl import TrlParser

from paretune.cli.bad_input import BadInputError
from paretune.cli.config_files import read_config_files
from paretune.cli.declared_types import brief, converted, describe, fits, shown
from paretune.cli.json_text import read_mapping
from paretune.cli.ranges import check_ranges
from paretune.cli.regular_files import read_regular

FILES = ("accelerator_config", "fsdp_config", "deepspeed")
"""Settings that may name a JSON file."""


class StrictParser(TrlParser):
    """Parses flags and YAML files into dataclasses; whatever it cannot take is a :class:`BadInputError`.

    Flags win over YAML files (:func:`~paretune.cli.config_files.read_config_files`).

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
        self._required = {
            field.name for d in dataclass_types for field in dataclasses.fields(d) if field.init and _has_value(field)
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
        except BadInputError:
            raise
        except OSError as error:
            raise BadInputError(f"a setting names a file that cannot be read: {error}") from error
        except Exception as error:  # the settings' own checks raise whatever a wrong value runs into
            raise BadInputError(str(error) or type(error).__name__) from error
        if remaining:
            raise BadInputError(f"unknown argument {remaining[0]!r}{self._hint(remaining[0])}")
        return tuple(parsed)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Namespace, list[str]]:  # type: ignore[override]
        """Argparse's, with every number in its range: further checks, and TRL's, need not ask what 0 would do."""
        parsed, remaining = super().parse_known_args(args, namespace)
        check_ranges(vars(parsed), self._required)
        for name, value in vars(parsed).items():
            if isinstance(value, str) and value.lstrip().startswith(("{", "[")) and fits({}, self._hints.get(name)):
                check_ranges({name: read_mapping(name, value)}, ())
            elif isinstance(value, str) and name in FILES and os.path.exists(value):
                read_regular(Path(value), f"--{name} {value}")  # transformers would wait for a pipe
        return parsed, remaining

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
        return read_config_files(_config_files(argv), self._checked)

    def _checked(self, path: Path, config: Mapping[Any, Any]) -> dict[str, Any]:
        """What a YAML file sets, each setting of its type."""
        for key, value in config.items():
            if key in self._hidden or key not in self._hints:
                raise BadInputError(f"{path}: unknown setting {brief(key)}{self._hint(str(key))}")
            if not fits(value, self._hints[key]):
                raise BadInputError(
                    f"{path}: {key} expects {describe(self._hints[key])}, got {shown(value)}{_yaml_trap(value)}."
                )
            if isinstance(value, str) and "\0" in value:
                raise BadInputError(f"{path}: {key} has a NUL in it, got {shown(value)}: take it out.")
        return {key: converted(value, self._hints[key]) for key, value in config.items()}

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
