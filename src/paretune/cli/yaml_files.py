"""Reading YAML files of settings: data alone, and no more of it than anybody would write."""

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
        found = _load(content.decode("utf-8-sig"), path)
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
    """Stops at a value too many: the rest of the file would take long to read."""

    def __init__(self, text: str, path: Path) -> None:
        super().__init__(text)
        self._path = path
        self._values = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._values += 1
        if self._values > MOST:
            raise BadInputError(f"{self._path} holds more than {MOST:,} values: settings take at most {MOST:,}.")
        return super().compose_node(parent, index)


def _load(text: str, path: Path) -> Any:
    loader = _Loader(text, path)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, path)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check(root: yaml.Node, path: Path) -> None:
    """Refuse what would take long to build, or mean nothing; before any of it is built.

    That is: keys that are given twice, aliases that repeat too much, or themselves, and endless numbers.
    """
    sizes: dict[yaml.Node, int | None] = {}  # None: it is being counted

    def size(node: yaml.Node) -> int:
        if node in sizes:
            known = sizes[node]
            if known is None:
                raise BadInputError(f"{path}: an alias in line {_line(node)} contains itself: write out what is meant.")
            return known
        sizes[node] = None
        if node.tag in NUMBERS and len(node.value) > LONGEST_NUMBER:
            raise BadInputError(
                f"{path}: the number in line {_line(node)} has {len(node.value):,} characters: settings take numbers "
                f"of at most {LONGEST_NUMBER}."
            )
        sizes[node] = count = 1 + sum(map(size, _children(node, path)))
        return count

    if size(root) > MOST:
        raise BadInputError(f"{path} holds {size(root):,} values with its aliases: settings take at most {MOST:,}.")


def _children(node: yaml.Node, path: Path) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        lines: dict[tuple[str, str], int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            name = (key.tag, key.value)
            if name in lines:
                raise BadInputError(f"{path}: {key.value} is given twice, in lines {lines[name]} and {_line(key)}.")
            lines[name] = _line(key)
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
