"""One way to name an object of one's own: ``module:object`` or ``path/to/file.py:object``.

Tasks, rules and rewards are all named this way, on the command line, in YAML and in a run's record. Naming an object
imports its module, and so runs it.
"""

import hashlib
import importlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

LONGEST = 200
"""Characters of an exception's message that are shown."""


@dataclass(frozen=True)
class NamedObject:
    """An object that was named, and where it came from.

    Attributes:
        given: the name as it was given.
        value: the object.
        file: the user's file that defines its module, absolute; None for a module that is installed or built in.
    """

    given: str
    value: Any
    file: str | None

    @property
    def anywhere(self) -> str:
        """A name that loads it from every folder: by its file, or by its module where that is installed."""
        return self.given if self.file is None else f"{self.file}:{_parts(self.given)[1]}"


def source_of(value: Any) -> dict[str, str | None]:
    """What a record has to say of a class or a function of the user's own: its name for :func:`load`, file and SHA-256.

    The name goes by the file where there is one, which can be loaded from any folder. It is None for what is made
    inside a function, for a lambda and for an object without a name: nothing can load these.
    """
    module, qualname = getattr(value, "__module__", None) or "", getattr(value, "__qualname__", "")
    home = _own_file(sys.modules.get(module))
    name = f"{home or module}:{qualname}" if module and qualname.isidentifier() else None
    return {"name": name, "file": home, "sha256": None if home is None else sha256_of(home)}


def sha256_of(file: str | Path) -> str:
    """The SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: if it cannot be read.
    """
    with Path(file).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def kind_of(value: Any) -> str:
    """What a value is, for a message that expected something else."""
    return f"the class {value.__name__}" if isinstance(value, type) else f"of type {type(value).__name__}"


def reason_of(error: BaseException) -> str:
    """An exception in one line: its type, its message, and the line of the user's code that it came from, if any."""
    message = " ".join(str(error).split())
    shown = f": {message[:LONGEST]}{'…' if len(message) > LONGEST else ''}" if message else ""
    return f"{type(error).__name__}{shown}{place_of(error)}"


def place_of(error: BaseException) -> str:
    """The innermost line of the user's own code in an exception's traceback, in brackets; empty if there is none."""
    own = [frame for frame in extract_tb(error.__traceback__) if _is_own(Path(frame.filename))]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno}, in {own[-1].name})" if own else ""


def is_named(text: str) -> bool:
    """Whether a text has the form of such a name: a module or a file, a colon, an attribute."""
    home, colon, attribute = text.rpartition(":")
    return bool(colon and home) and attribute.isidentifier() and (home.endswith(".py") or _is_dotted(home))


def check_name(kind: str, given: str, known: Iterable[str]) -> None:
    """Raise ``ValueError`` with one line if a built-in rule or task has no such name.

    Args:
        kind: what it would be, for the message.
        given: the name.
        known: all that there are.
    """
    names = list(known)
    if given not in names:
        own = "or give your own as module:object or path/to/file.py:object."
        choices = f"choose one of {', '.join([*names, own])}"
        raise ValueError(f"unknown {kind} {given!r}: {hint(given, names, choices)}")


def hint(given: str, known: Iterable[str], otherwise: str) -> str:
    """What to do about a name that there is not: the known one that is nearest, or something else."""
    close = get_close_matches(given, list(known), n=1)
    return f"did you mean {close[0]}?" if close else otherwise


def load(given: str) -> NamedObject:
    """Import the module or the file that a name gives, and fetch the object.

    A module is searched in the current folder first, as TRL does. The folder of a file is searched last for what the
    file itself imports. A file inside of a package is imported as that package's module: one beside an ``__init__.py``,
    or one that imports its neighbours by relative names.

    Args:
        given: ``module:object`` (``my_package.rules:Mine``) or ``path/to/file.py:object``; or, as TRL names rewards,
            ``module.object``.

    Raises:
        ValueError: if the name has another form, the module cannot be imported, or it has no such object. The message
            is one line.
    """
    home, attribute = _parts(given)
    if not is_named(f"{home}:{attribute}"):
        raise ValueError(f"{given!r} names no object: write it as module:object or path/to/file.py:object.")
    try:
        module = _module_of(Path(home).expanduser()) if home.endswith(".py") else _import(home)
        value = getattr(module, attribute)
    except (Exception, SystemExit) as error:  # whatever the user's module does
        own = isinstance(error, ImportError | AttributeError | FileNotFoundError)
        reason = str(error) if own else reason_of(error)
        raise ValueError(f"{given!r} cannot be loaded: {' '.join(reason.split())}") from error
    return NamedObject(given, value, _own_file(module))


def _parts(given: str) -> tuple[str, str]:
    """The module or the file, and the object in it."""
    home, _, attribute = given.rpartition(":" if ":" in given else ".")
    return home, attribute


def _own_file(module: ModuleType | None) -> str | None:
    """The Python file of a module, unless it is installed or part of Python."""
    file = getattr(module, "__file__", None)
    if file is None or not file.endswith(".py") or not Path(file).is_file():
        return None
    path = Path(file).resolve()
    return None if _is_installed(path) else str(path)


def _is_installed(path: Path) -> bool:
    places = (Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib", "stdlib"))
    return any(path.is_relative_to(place) for place in places)


def _is_own(path: Path) -> bool:
    """Whether a file is the user's: there, not installed, and none of this package."""
    path = path.resolve()
    return path.is_file() and not _is_installed(path) and not path.is_relative_to(Path(__file__).resolve().parent)


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
    if (path.parent / "__init__.py").is_file():
        return _in_its_package(path)
    # The stem is what a traceback and pickle show; another module of that name keeps it.
    name = f"{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}" if _is_another(path) else path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{str(path)!r} is no Python file")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, ImportError) and "no known parent package" in str(error):
            return _in_its_package(path)  # a package needs no __init__.py
        raise
    return module


def _is_another(path: Path) -> bool:
    """Whether the stem of a file is the name of another module: one that is imported, or that may be, later."""
    if path.stem in sys.modules or "." in path.stem:
        return path.stem in sys.modules
    found = importlib.util.find_spec(path.stem)
    return found is not None and found.origin is not None and Path(found.origin).resolve() != path


def _in_its_package(path: Path) -> ModuleType:
    """The module of a file that lies in a package, so that it can import its neighbours by their relative names."""
    root, parts = path.parent.parent, [path.parent.name, path.stem]
    while (root / "__init__.py").is_file():
        root, parts = root.parent, [root.name, *parts]
    if str(root) not in sys.path:
        sys.path.append(str(root))
    module = importlib.import_module(".".join(parts))
    if getattr(module, "__file__", None) != str(path):
        raise ImportError(f"another module {module.__name__!r} comes before {str(path)!r}: rename one of the packages")
    return module


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))
