"""The exceptions of the ``sqlite3`` that a program imports."""


class Warning(Exception):  # noqa: N818 (the name that DB-API gives it)
    """As in the real module."""


class Error(Exception):
    """As in the real module."""

    sqlite_errorcode: int
    sqlite_errorname: str


class InterfaceError(Error):
    """As in the real module."""


class DatabaseError(Error):
    """As in the real module."""


class DataError(DatabaseError):
    """As in the real module."""


class IntegrityError(DatabaseError):
    """As in the real module."""


class InternalError(DatabaseError):
    """As in the real module."""


class NotSupportedError(DatabaseError):
    """As in the real module."""


class OperationalError(DatabaseError):
    """As in the real module."""


class ProgrammingError(DatabaseError):
    """As in the real module."""


BY_NAME: dict[str, type[BaseException]] = {
    error.__name__: error
    for error in (
        *(Warning, Error, InterfaceError, DatabaseError, DataError, IntegrityError, InternalError),
        *(NotSupportedError, OperationalError, ProgrammingError),
        *(TypeError, ValueError, OverflowError, MemoryError, BufferError, UnicodeEncodeError, UnicodeDecodeError),
    )
}
"""What the database process may say that a statement raised."""
