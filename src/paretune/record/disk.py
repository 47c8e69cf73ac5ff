"""Messages about a disk that misbehaves, and checks that find it out early."""

import errno
import os
from pathlib import Path
from tempfile import TemporaryFile

_ADVICE = {
    errno.ENOSPC: "free some space there and try again",
    errno.EDQUOT: "free some space there and try again",
    errno.EACCES: "allow it to be written, or give another directory",
    errno.EPERM: "allow it to be written, or give another directory",
}


def write_error(path: str | Path, error: OSError) -> OSError:
    """The error of a file or folder that could not be written, of the same class, in one line that says what to do."""
    advice = _ADVICE.get(error.errno or 0, "give another directory")
    told = type(error)(f"{str(path)!r} cannot be written ({error.strerror or error}): {advice}.")
    told.errno = error.errno
    return told


def check_writable(directory: str | Path) -> None:
    """Find out whether files can be written to a directory, or to one that would have to be made; nothing is left.

    Raises:
        OSError: if not, or if there is no space.
        ValueError: if it is no name of a directory.
    """
    try:
        # The file has no name, so that several processes may look at once and nobody sees it.
        with TemporaryFile(dir=_existing(Path(directory))) as file:
            file.write(bytes(4096))
    except OSError as error:
        raise write_error(directory, error) from error
    except ValueError as error:
        raise ValueError(f"{str(directory)!r} is no name of a directory ({error}).") from error


def sync(path: str | Path) -> None:
    """Bring what was written to a file onto the disk itself, where it outlasts a power cut.

    Raises:
        OSError: if that fails.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise write_error(path, error) from error


def _existing(place: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    try:
        place.lstat()
    except FileNotFoundError:
        return _existing(place.parent)
    return place
