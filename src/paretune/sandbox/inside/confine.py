"""Confine the current process with Landlock and seccomp, then become the fork server.

Usage: ``-m inside.confine SPECIFICATION COMMAND…`` with the specification as JSON: ``readable`` and ``writable`` paths,
``modules`` (the folder that holds the package ``sandlock``), ``filter`` (the seccomp program, base64).
"""

import base64
import ctypes
import json
import os
import sys

PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_SET_DUMPABLE = 22, 2, 4


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def main() -> None:
    """Confine and exec."""
    specification = json.loads(sys.argv[1])
    sys.path.append(specification["modules"])
    from sandlock import Sandbox, confine  # type: ignore[import-untyped]

    # Sets no_new_privs, which the filter needs, and keeps signals and abstract sockets inside, too.
    confine(Sandbox(fs_readable=specification["readable"], fs_writable=specification["writable"]))
    program = base64.b64decode(specification["filter"])
    filter_ = _Program(len(program) // 8, program)
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filter_), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the seccomp filter was refused")
    os.execve(sys.argv[2], sys.argv[2:], dict(os.environ))


if __name__ == "__main__":
    main()
