"""The lock of a run's directory: while one run writes there, no other can."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from paretune.record.disk import write_error

_LOCK = ".lock"


class RunInUseError(RuntimeError):
    """Another run is writing to the directory."""


class DirectoryLock:
    """Holds a directory against other runs, of this process or another. A process that dies gives it free.

    Args:
        directory: the run's directory, which is there.
    """

    def __init__(self, directory: str | Path) -> None:
        self._directory = Path(directory)
        self._path = self._directory / _LOCK
        self._lock: FileLock | None = None
        self._held: os.stat_result | None = None  # the lock's file, by which the directory is known again

    @property
    def is_held(self) -> bool:
        """Whether this object holds the directory."""
        return self._lock is not None

    @property
    def is_gone(self) -> bool:
        """Whether the lock's file was deleted: others may come now."""
        return not self._path.exists()

    @property
    def is_taken(self) -> bool:
        """Whether another run has made the lock's file anew, in a directory that was deleted or moved away."""
        try:
            # While the lock is held no other file can have its number.
            return self._held is None or not os.path.samestat(self._path.stat(), self._held)
        except OSError:
            return False

    def acquire(self) -> None:
        """Take the directory.

        Raises:
            OSError: if it cannot be written to.
            RunInUseError: if another run is writing to it.
        """
        # Not bound to a thread: who closes a record may be another one than who opened it.
        lock = FileLock(self._path, timeout=0, thread_local=False)
        try:
            lock.acquire()
            self._held = self._path.stat()
        except Timeout:
            raise RunInUseError(
                f"{str(self._directory)!r} is in use by another run: wait for its end, or give another directory."
            ) from None
        except OSError as error:
            lock.release()
            raise write_error(self._path, error) from error
        self._lock = lock

    def release(self) -> None:
        """Give the directory free. May be called twice."""
        if self._lock is not None:
            self._lock.release()
            self._lock = self._held = None


def is_in_use(directory: str | Path) -> bool:
    """Whether a run is writing to a directory now."""
    path = Path(directory) / _LOCK
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
