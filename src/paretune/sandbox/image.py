"""The interpreter's files, copied to a folder of their own: all that a program can read.

They are copied because the interpreter often lies where an unprivileged user cannot read it (root's home), between
other files, or in parts all over the system. The copy takes about 70 MB of disk and half a second.
"""

import ast
import compileall
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
from pathlib import Path

INSIDE = Path(__file__).parent / "inside"

# Parts of the standard library of no use to a program without screen, network or further packages.
_LEFT_OUT = shutil.ignore_patterns(
    *("site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3"),
    *("pydoc_data", "config-*", "*.opt-?.pyc", "*.a", "venv"),
    *(f"{name}*.so" for name in ("_test", "_ctypes_test", "_xx", "xx", "_tkinter", "readline", "_curses", "_dbm")),
)

_FAR_OFF = 4_000_000_000  # seconds: in the year 2096


class InterpreterError(RuntimeError):
    """The interpreter's files cannot be found or copied."""


def build(folder: Path) -> None:
    """Copy this Python's interpreter, standard library, shared libraries and the sandbox's inside.

    Args:
        folder: an empty folder; afterwards everybody can read it.

    Raises:
        InterpreterError: if a part is missing.
    """
    if sqlite3.sqlite_version_info < (3, 36):  # the first whose databases in memory can be shared by name
        raise InterpreterError(f"the interpreter's SQLite is {sqlite3.sqlite_version}: 3.36 or newer is needed")
    stdlib = Path(sysconfig.get_path("stdlib"))
    modules = stdlib / "lib-dynload"
    interpreter = Path(getattr(sys, "_base_executable", sys.executable)).resolve()  # a venv's own is a link
    libraries = _libraries(interpreter, modules)
    try:
        shutil.copytree(stdlib, folder / sys.platlibdir / stdlib.name, ignore=_LEFT_OUT, symlinks=False)
        shutil.copytree(INSIDE, folder / "modules" / "inside", ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(folder / "modules", quiet=1)  # once, not in every fork server
        shutil.copy(interpreter, folder / "python")
        (folder / "libraries").mkdir()
        for name, library in libraries.items():
            shutil.copy(library, folder / "libraries" / name)
    except (OSError, shutil.Error) as error:
        raise InterpreterError(f"the interpreter's files cannot be copied to {folder}: {error}") from error
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path.parent == folder else path.stat().st_mode & 0o755 | 0o444)
        date(path)


def date(path: Path) -> None:
    """Set the time at which a file or folder was last read to a day that is far off.

    The kernel moves that time at a first read (``relatime``), which a later run could see, but never back.
    """
    os.utime(path, ns=(_FAR_OFF * 10**9, path.stat().st_mtime_ns))


def command(folder: Path, at: Path, module: str, *arguments: str) -> list[str]:
    """The command that runs one of the inside's modules with the copied interpreter; :func:`environment` with it.

    Args:
        folder: the image.
        at: where who runs the command sees it.
        module: its name.
        *arguments: the module's.
    """
    python = [str(at / "python"), "-s", "-S", "-P", "-B", "-m", f"inside.{module}", *arguments]
    loaders = [path.name for path in (folder / "libraries").glob("ld-*")]
    if not loaders:  # linked statically
        return python
    return [str(at / "libraries" / loaders[0]), "--library-path", str(at / "libraries"), *python]


def environment(at: Path) -> dict[str, str]:
    """The environment of the interpreter at this place: nothing of the user's."""
    return {
        "PYTHONHOME": str(at),
        "PYTHONPATH": str(at / "modules"),
        "PYTHONUTF8": "1",
        "PYTHONHASHSEED": "0",  # the order of a set is the same in every run, and so are the rewards
        "LANG": "C.UTF-8",
        "HOME": "/",
        "TZ": "UTC",
    }


def _libraries(interpreter: Path, modules: Path) -> dict[str, Path]:
    """The shared libraries of the interpreter and its extension modules, by the name they are looked up by."""
    show = "print([line.split()[-1] for line in open('/proc/self/maps') if '/ld-' in line][:1])"
    shown = subprocess.run([interpreter, "-I", "-S", "-c", show], capture_output=True, text=True, check=False)
    if shown.returncode:
        raise InterpreterError(f"{interpreter} does not run: {shown.stderr.strip()[-200:]}")
    loaders = ast.literal_eval(shown.stdout)
    if not loaders:
        return {}
    loader = Path(loaders[0])
    extensions = {path.name for path in modules.glob("*.so")}
    # All at once, as if they were preloaded: the loader lists what that needs, and runs nothing.
    preload = ":".join(f"./{name}" for name in sorted(extensions - _LEFT_OUT(str(modules), sorted(extensions))))
    listing = subprocess.run(
        [loader, "--list", interpreter],
        cwd=modules if preload else None,
        env={**os.environ, "LD_PRELOAD": preload},
        capture_output=True,
        text=True,
        check=False,
    )
    named = re.findall(r"^\s*([^\s/]+) => (/.+) \(0x", listing.stdout, flags=re.MULTILINE)
    return {loader.name: loader} | {name: Path(path) for name, path in named}
