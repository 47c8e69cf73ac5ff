"""The YAML files that a command line names, and the files that those build on."""

import os.path
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from paretune.cli.bad_input import BadInputError
from paretune.cli.declared_types import brief, fits
from paretune.cli.regular_files import LARGEST, read_regular
from paretune.cli.yaml_files import settings_in

BASE = "base"
"""The YAML key that names the files a file builds on."""
DEEPEST = 20
"""Files of which each builds on the next."""
MOST = 100
"""Files of a command line."""

Check = Callable[[Path, Mapping[Any, Any]], dict[str, Any]]


def read_config_files(paths: Sequence[Path], check: Check) -> dict[str, Any]:
    """The settings of the files that ``--config`` names, in their order: later ones win.

    A file may build on others: ``base: [FILE, ...]``, with paths from its own folder. Later bases win over earlier
    ones, the file over its bases. A setting is replaced as a whole, mappings like ``rule_settings`` too. Each file is
    read once, however often it is named. A file of which nothing is left gets a warning: it stands in the wrong place.

    Args:
        paths: the files.
        check: called with a file and what it sets; returns the settings by name, each of its type.

    Raises:
        BadInputError: if a file cannot be read, is wrong, builds on itself, or there is too much of it all.
    """
    files = _ConfigFiles(check)
    merged = [files.merged(path, f"--config {path}", ()) for path in paths]
    settings: dict[str, Any] = {}
    for path, earlier in reversed(list(zip(paths, merged, strict=True))):
        if earlier.keys() <= settings.keys() and not earlier.items() <= settings.items():
            warnings.warn(
                f"--config {path} changes nothing: the files after it set all of it again. Leave it out, or give it "
                "after them.",
                stacklevel=2,
            )
        settings = earlier | settings
    return settings


class _ConfigFiles:
    """The files read so far."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._read: dict[str, tuple[list[str], dict[str, Any]]] = {}  # by real path: bases, and what it sets itself
        self._merged: dict[Path, dict[str, Any]] = {}  # by path as named: a base is looked for beside the link
        self._bytes = 0

    def merged(self, path: Path, named: str, above: tuple[Path, ...]) -> dict[str, Any]:
        """The settings of a file and its bases.

        Args:
            path: the file.
            named: how a message calls it.
            above: the files that build on it, the one on the command line first.
        """
        chain = (*above, path)
        try:
            real = os.path.realpath(path)
        except ValueError as error:  # a NUL in its name
            raise BadInputError(f"{named}: {error}.") from error
        if real in map(os.path.realpath, above):
            raise BadInputError(f"{named} leads back to itself: {' → '.join(map(str, chain))}.")
        if path in self._merged:
            return self._merged[path]
        if len(chain) > DEEPEST:
            raise BadInputError(
                f"{named}: {chain[0]} builds on more than {DEEPEST} files in a row: merge some of them."
            )
        if len(self._merged) + len(above) >= MOST:
            raise BadInputError(f"{named}: the command line builds on more than {MOST} files: merge some of them.")
        if real not in self._read:
            self._read[real] = self._parsed(path, named)
        bases, own = self._read[real]
        settings: dict[str, Any] = {}
        for base in bases:
            # Not resolved: messages should name files as the user would.
            file = Path(os.path.normpath(path.parent / base))
            settings |= self.merged(file, f"{path}: {BASE} {file}", chain)
        self._merged[path] = settings | own
        return self._merged[path]

    def _parsed(self, path: Path, named: str) -> tuple[list[str], dict[str, Any]]:
        content = read_regular(path, named)
        self._bytes += len(content)
        if self._bytes > LARGEST:
            raise BadInputError(f"{named}: the files have more than {LARGEST:,} bytes together: settings take no more.")
        config = settings_in(content, path)
        bases = config.pop(BASE, [])
        if not fits(bases, str | list[str]):
            raise BadInputError(f"{path}: {BASE} expects a file or a list of files, got {brief(bases)}.")
        return ([bases] if isinstance(bases, str) else bases), self._check(path, config)
