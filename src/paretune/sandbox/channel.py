"""The channel between trainer and launcher: JSON values, each after its length in 8 bytes."""

import json
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("!Q")


def write(stream: socket.socket, value: Any) -> None:
    """Send a JSON value."""
    content = json.dumps(value).encode()
    stream.sendall(_LENGTH.pack(len(content)) + content)


def read(stream: socket.socket) -> Any:
    """Receive a JSON value.

    Raises:
        EOFError: if the other side is gone.
    """
    (length,) = _LENGTH.unpack(_read_exactly(stream, _LENGTH.size))
    return json.loads(_read_exactly(stream, length))


def _read_exactly(stream: socket.socket, count: int) -> bytes:
    content = bytearray()
    while len(content) < count:
        part = stream.recv(min(count - len(content), 2**20))
        if not part:
            raise EOFError("the other side closed the connection")
        content += part
    return bytes(content)
