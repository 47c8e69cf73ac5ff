"""The channel between trainer and launcher: JSON values over one end of a pair of sockets."""

import json
from multiprocessing.connection import Connection
from typing import Any


def write(end: Connection, value: Any) -> None:
    """Send a JSON value."""
    end.send_bytes(json.dumps(value).encode())


def read(end: Connection) -> Any:
    """Receive a JSON value.

    Raises:
        EOFError: if the other side is gone.
    """
    return json.loads(end.recv_bytes())
