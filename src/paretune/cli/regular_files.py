"""Opening the files that a command line names: none that never ends, and none that waits."""

import os
import stat
from pathlib import Path

from paretune.cli.bad_input import BadInputError

LARGEST = 1_000_000
"""Bytes of a file of settings."""


def read_regular(path: Path, named: str) -> bytes:
    """Read a regular file of settings, once.

    A pipe would wait for its writer, and a device may have no end: both are refused, and a link to one.

    Args:
        path: the file.
        named: how a message calls a file that cannot be opened.

    Raises:
        BadInputError: if the file cannot be read, is not a regular file, or is larger than :data:`LARGEST`.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISDIR(mode):
                raise BadInputError(f"{named}: Is a directory.")
            if not stat.S_ISREG(mode):
                raise BadInputError(f"{named}: this is a pipe or a device: give a regular file.")
            content = file.read(LARGEST + 1)  # some files in /proc say that they have no bytes
            size = max(len(content), os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise BadInputError(f"{named}: {error.strerror or error}.") from error
    except ValueError as error:  # a NUL in its name
        raise BadInputError(f"{named}: {error}.") from error
    if size > LARGEST:
        raise BadInputError(f"{path} has {size:,} bytes: settings take no more than {LARGEST:,}.")
    return content
