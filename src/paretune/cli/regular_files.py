"""Opening the files that a command line names: regular files alone, since others may never end or wait for ever."""

from pathlib import Path

from paretune.cli.bad_input import BadInputError
from paretune.record.parsing import RecordError, read_bytes

LARGEST = 1_000_000
"""Bytes of a file of settings."""


def read_regular(path: Path, named: str) -> bytes:
    """Read a regular file of settings, once.

    Args:
        path: the file.
        named: how a message calls a file that cannot be read.

    Raises:
        BadInputError: if the file cannot be read, is not a regular file, or is larger than :data:`LARGEST`.
    """
    try:
        return read_bytes(path, LARGEST)
    except OSError as error:
        raise BadInputError(f"{named}: {error.strerror or error}.") from error
    except RecordError as error:
        raise BadInputError(f"{named}: {error}") from error
