"""One way to name an object of one's own: ``module:object`` or ``path/to/file.py:object``.

Tasks, rules and rewards are all named this way, on the command line, in YAML and in a run's record. Naming an object
imports its module, and so runs it.
"""

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class NamedObject:
    """An object that was named, and where it came from.

    Attributes:
        given: the name as it was given.
        value: the object.
        file: the file that defines its module, where there is one.
        sha256: of that file when it was loaded, in hexadecimal.
    """

    given: str
    value: Any
    file: str | None
    sha256: str | None

    @property
    def source(self) -> dict[str, str | None]:
        """What a record has to say of it: name, file and SHA-256."""
        return {"name": self.given, "file": self.file, "sha256": self.sha256}


def source_of(value: type) -> dict[str, str | None]:
    """What a record has to say of a class of the user's own: its name for :func:`load`, file and SHA-256.

    The name goes by the file where there is one, which can be loaded from any folder. It is None for a class that is
    made inside a function: nothing can load that.
    """
    file = getattr(sys.modules.get(value.__module__), "__file__", None)
    home = file if file is not None and Path(file).is_file() and file.endswith(".py") else None
    sha256 = None if home is None else hashlib.sha256(Path(home).read_bytes()).hexdigest()
    name = f"{home or value.__module__}:{value.__qualname__}" if value.__qualname__.isidentifier() else None
    return {"name": name, "file": home, "sha256": sha256}


def is_named(text: str) -> bool:
    """Whether a text has the form of such a name: a module or a file, a colon, an attribute."""
    home, colon, attribute = text.rpartition(":")
    return bool(colon and home) and attribute.isidentifier() and (home.endswith(".py") or _is_dotted(home))


def check_name(kind: str, given: str, known: Iterable[str]) -> None:
    """Raise ``ValueError`` with one line if a built-in rule or the like has no such name.

    Args:
        kind: what it would be, for the message.
        given: the name.
        known: all that there are.
    """
    names = list(known)
    if given not in names:
        close = get_close_matches(given, names, n=1)
        hint = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(names)}, or give module:Class."
        raise ValueError(f"unknown {kind} {given!r}: {hint}")


def load(given: str) -> NamedObject:
    """Import the module or the file that a name gives, and fetch the object.

    A module is searched in the current folder first, as TRL does. The folder of a file is searched last for what the
    file itself imports.

    Args:
        given: ``module:object`` (``my_package.rules:Mine``) or ``path/to/file.py:object``.

    Raises:
        ValueError: if the name has another form, the module cannot be imported, or it has no such object. The message
            is one line.
    """
    if not is_named(given):
        raise ValueError(f"{given!r} names no object: write it as module:object or path/to/file.py:object.")
    home, _, attribute = given.rpartition(":")
    try:
        module = _module_of(Path(home).expanduser()) if home.endswith(".py") else _import(home)
        value = getattr(module, attribute)
    except (Exception, SystemExit) as error:  # whatever the user's module does
        own = isinstance(error, ImportError | AttributeError | FileNotFoundError)
        reason = str(error) if own else f"{type(error).__name__}: {error}"
        raise ValueError(f"{given!r} cannot be loaded: {' '.join(reason.split())}") from error
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).is_file():
        return NamedObject(given, value, None, None)
    return NamedObject(given, value, str(file), hashlib.sha256(Path(file).read_bytes()).hexdigest())


def _import(name: str) -> ModuleType:
    sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


def _module_of(path: Path) -> ModuleType:
    """The module that a file defines; the same one each time it is asked for."""
    path = path.resolve()
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == str(path):
            return module
    # The stem is what a traceback and pickle show; a module of that name that is there already keeps it.
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{str(path)!r} is no Python file")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))
