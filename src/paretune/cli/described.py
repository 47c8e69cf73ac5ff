"""What can be chosen and set, known without importing torch, transformers or TRL.

Rules, tasks and the fields of TRL's settings are described in ``described.json``, which
``scripts/describe_settings.py`` makes from the classes themselves. Where the package or a library is not as it was
then (a rule was added, TRL is another version), the description is made anew, which takes as long as the imports do.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

FILE = Path(__file__).with_name("described.json")
CONFIG = "paretune.trainer:MultiObjectiveConfig"
MODEL = "trl:ModelConfig"
LIBRARIES = ("accelerate", "transformers", "trl")
SOURCES = ("weighting/*.py", "tasks/*/__init__.py", "influence/*.py", "advantages.py", "trainer/config.py")
"""The files of the package that a description is made from."""


@dataclass(frozen=True)
class SettingDescription:
    """A setting of a rule.

    Attributes:
        expects: its type in words.
        default: its default, as Python writes it; None if it has none and must be given.
        text: what it is.
    """

    expects: str
    default: str | None
    text: str


@dataclass(frozen=True)
class RuleDescription:
    """A weighting rule.

    Attributes:
        line: its description in one line.
        needs: what it needs beyond the rewards, one of ``paretune.cli.list.NEEDS``; empty if that is not known.
        text: what its docstring says before its settings.
        settings: by name, in the order of its constructor.
    """

    line: str
    needs: str
    text: str
    settings: Mapping[str, SettingDescription]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "RuleDescription":
        """Take it from its JSON form."""
        settings = {name: SettingDescription(**setting) for name, setting in content["settings"].items()}
        return cls(**{**content, "settings": settings})


def rules() -> dict[str, RuleDescription]:
    """The built-in rules by name."""
    return {name: RuleDescription.of(content) for name, content in content()["rules"].items()}


def named(kind: Literal["tasks", "algorithms", "influences"]) -> dict[str, str]:
    """The built-in tasks, the estimators of advantages or those of influence by name, a line each."""
    return dict(content()[kind])


@cache
def settings_class(home: str) -> type:
    """A dataclass with the fields of another one: their names, types, defaults and help texts.

    Args:
        home: ``module:Class``.
    """
    fields = [
        (name, told["type"], _field(told["default"], told["metadata"]))
        for name, told in content()["settings"][home].items()
    ]
    return make_dataclass(home.rpartition(":")[2], fields, namespace={"__module__": __name__})


def groups(home: str) -> dict[str, str]:
    """Who declares each field of a dataclass: paretune, trl or transformers."""
    return {name: told["group"] for name, told in content()["settings"][home].items()}


def stamp() -> str:
    """What a description hangs on: the versions of the libraries, and the package's own sources."""
    package = Path(__file__).parent.parent
    content = hashlib.sha256(" ".join(f"{name} {version(name)}" for name in LIBRARIES).encode())
    for path in sorted(path for pattern in SOURCES for path in package.glob(pattern)):
        content.update(path.relative_to(package).as_posix().encode())
        content.update(path.read_bytes())
    return content.hexdigest()


def _field(default: Any, metadata: Mapping[str, Any]) -> Any:
    if isinstance(default, list):  # which a dataclass takes from a factory alone
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@cache
def content(file: Path = FILE) -> Mapping[str, Any]:
    """The whole description: the one in a file if that is current, else one that is made now."""
    if file.is_file():
        known: Mapping[str, Any] = json.loads(file.read_text("utf-8"))
        if known["stamp"] == stamp():
            return known
    made: Mapping[str, Any] = import_module("paretune.cli.describing").describe()
    return made


_ = Any, Literal  # types of fields are written with these
