"""Reading YAML files of settings: data alone, and no more of it than anybody would write."""

from pathlib import Path
from typing import Any

import yaml

from paretune.cli.bad_input import BadInputError

LARGEST = 1_000_000
"""Bytes of a file."""
MOST = 10_000
"""Values in a file, those counted again that an alias repeats."""


def read_settings(path: Path, named: str) -> dict[Any, Any]:
    """The mapping that a YAML file holds. Tags that would make Python objects are refused, nothing is called.

    Args:
        path: the file.
        named: how a message calls a file that cannot be opened.

    Raises:
        BadInputError: if it cannot be read, is no YAML, holds something else than a mapping, or gives a key twice.
    """
    try:
        if path.is_file() and path.stat().st_size > LARGEST:
            raise BadInputError(f"{path} has {path.stat().st_size:,} bytes: settings take no more than {LARGEST:,}.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{named}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is not valid YAML: {error}") from error
    except ValueError as error:  # a NUL in its name
        raise BadInputError(f"{named}: {error}.") from error
    try:
        config = _load(text, path)
    except yaml.YAMLError as error:
        raise BadInputError(f"{path} is not valid YAML: {error}") from error
    except RecursionError as error:
        raise BadInputError(f"{path} is nested too deeply for settings: write `setting: value` lines.") from error
    except ValueError as error:  # 2020-99-99, which has the form of a date
        raise BadInputError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(config, dict):
        raise BadInputError(f"{path} must hold `setting: value` lines, found {type(config).__name__}.")
    return config


def _load(text: str, path: Path) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, path)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check(root: yaml.Node, path: Path) -> None:
    """Refuse keys that are given twice, and aliases that repeat too much, or themselves; before any of it is built."""
    sizes: dict[yaml.Node, int | None] = {}  # None: it is being counted

    def size(node: yaml.Node) -> int:
        if node in sizes:
            known = sizes[node]
            if known is None:
                raise BadInputError(f"{path}: an alias in line {_line(node)} contains itself: write out what is meant.")
            return known
        sizes[node] = None
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
