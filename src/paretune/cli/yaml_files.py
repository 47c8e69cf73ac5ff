"""Reading YAML files of settings: plain data alone, and of bounded size."""

from pathlib import Path
from typing import Any

import yaml

from paretune.cli.bad_input import BadInputError
from paretune.cli.declared_types import DEEPEST
from paretune.record.parsing import is_deeper

MOST = 10_000
"""Values in a file, those counted again that an alias repeats."""
LONGEST_NUMBER = 100
"""Characters of a number. 1:60:60 is one, too, and one of a million characters takes minutes to read."""
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def settings_in(content: bytes, path: Path) -> dict[Any, Any]:
    """The mapping that a YAML file holds.

    Args:
        content: the file's.
        path: the file, for messages.

    Raises:
        BadInputError: as :func:`document_in` does, or if the file holds something else than a mapping.
    """
    config = document_in(content, path)
    if not isinstance(config, dict):
        raise BadInputError(f"{path} must hold `setting: value` lines, got {type(config).__name__}.")
    return config


def document_in(content: bytes, path: Path) -> Any:
    """What a YAML file holds. Tags that would make Python objects are refused, nothing is called.

    Args:
        content: the file's.
        path: the file, for messages.

    Raises:
        BadInputError: if the file is not valid YAML, gives a key twice, or holds too much.
    """
    try:
        found = _Loader(content.decode("utf-8-sig"), path).get_single_data()
        if is_deeper(found, DEEPEST):
            raise RecursionError
        return found
    except BadInputError:
        raise
    except RecursionError as error:
        raise BadInputError(f"{path} is nested too deeply for settings: write `setting: value` lines.") from error
    except Exception as error:  # PyYAML raises KeyError for `!!bool maybe`, AttributeError for `!!timestamp now`, …
        reason = str(error) if isinstance(error, yaml.YAMLError | ValueError) else f"{type(error).__name__}: {error}"
        raise BadInputError(f"{path} is not valid YAML: {reason}") from error


class _Loader(yaml.SafeLoader):
    """Refuses, while it reads, what would take long to build or means nothing: the rest of the file is left unread.

    That is: values too many, aliases that repeat too much or themselves, keys that are given twice, endless numbers.
    """

    def __init__(self, text: str, path: Path) -> None:
        super().__init__(text)
        self._path = path
        self._values = 0
        self._sizes: dict[str, int] = {}  # values of what has an anchor, once it is read

    def compose_node(self, parent: Any, index: Any) -> Any:
        event, before = self.peek_event(), self._values
        self._values += 1
        if isinstance(event, yaml.AliasEvent) and event.anchor in self.anchors:
            if event.anchor not in self._sizes:
                line = _line(self.anchors[event.anchor])
                raise BadInputError(f"{self._path}: an alias in line {line} contains itself: write out what is meant.")
            self._values += self._sizes[event.anchor]
        if self._values > MOST:
            raise BadInputError(
                f"{self._path} holds more than {MOST:,} values with its aliases: settings take at most {MOST:,}."
            )
        node = super().compose_node(parent, index)
        if event.anchor is not None:
            self._sizes[event.anchor] = self._values - before
        return node

    def compose_scalar_node(self, anchor: Any) -> Any:
        node = super().compose_scalar_node(anchor)
        if node.tag in NUMBERS and len(node.value) > LONGEST_NUMBER:
            raise BadInputError(
                f"{self._path}: the number in line {_line(node)} has {len(node.value):,} characters: settings take "
                f"numbers of at most {LONGEST_NUMBER}."
            )
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            name = (key.tag, key.value)
            if name in lines:
                raise BadInputError(
                    f"{self._path}: {key.value} is given twice, in lines {lines[name]} and {_line(key)}."
                )
            lines[name] = _line(key)
        return node


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
