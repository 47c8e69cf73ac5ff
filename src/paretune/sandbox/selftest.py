"""What a sandbox has to withstand before anything is trained with it: an attempt on each of its promises."""

import os
import tempfile
from pathlib import Path

from paretune.sandbox.image import environment
from paretune.sandbox.limits import Limits
from paretune.sandbox.sandbox import Outcome, Program, Sandbox

_START = """
import ctypes, fcntl, os, socket, sys
from contextlib import suppress
libc = ctypes.CDLL(None, use_errno=True)
"""

# Each says "escaped" where it could do what it must not, and "done" at its end.
ATTEMPTS = {
    "reads only the interpreter's files": """
for path in (SECRET, "/etc/passwd", "/proc/self/status", "/proc/1/environ", "/sys/kernel"):
    with suppress(OSError):
        os.close(os.open(path, os.O_RDONLY))
        print("escaped: read", path)
""",
    "writes only its scratch folder": """
folders = [os.path.dirname(SECRET), "/", "/tmp", "/var/tmp", "/dev/shm", sys.prefix, os.path.dirname(os.__file__)]
for folder in folders:
    with suppress(OSError):
        open(os.path.join(folder, "paretune-was-here"), "w").close()
        os.unlink(os.path.join(folder, "paretune-was-here"))
        print("escaped: wrote to", folder)
for link in (os.symlink, os.link):
    with suppress(OSError):
        link(sys.prefix + "/python", "paretune-was-here")
        print("escaped: made a link")
""",
    "has no network": """
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):
    with suppress(OSError):
        socket.socket(family)
        print("escaped: opened a socket of family", family)
near, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
for send in (lambda: near.sendto(b"", os.devnull), lambda: near.sendmsg([b""], [], 0, os.devnull)):
    with suppress(PermissionError):
        with suppress(ConnectionRefusedError):
            send()
        print("escaped: can send to an address")
""",
    "has a clear environment": """
print(*(f"escaped: found {name}" for name in os.environ if name not in ENVIRONMENT))
""",
    "neither sees nor signals other processes": """
for pid in (TRAINER, LAUNCHER):
    with suppress(OSError):
        os.kill(pid, 0)
        print("escaped: can signal", pid)
    if libc.ptrace(16, pid, 0, 0) == 0:
        print("escaped: traces", pid)
with suppress(OSError):
    fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, os.getppid())
    print("escaped: has the kernel send signals")
with suppress(OSError):
    print("escaped: saw", os.listdir("/proc"))
""",
    "has no privileges": """
for call in (lambda: os.setuid(0), lambda: os.chroot("/"), lambda: os.mknod("device", 0o020600, 259)):
    with suppress(OSError):
        call()
        print("escaped: used a privilege")
if libc.mount(b"none", b"/", b"tmpfs", 0, None) == 0 or os.getuid() == 0:
    print("escaped: is root")
""",
    "makes no namespaces": """
for kind in (0x00020000, 0x10000000, 0x20000000, 0x40000000):
    if libc.unshare(kind) == 0:
        print("escaped: made a namespace", kind)
""",
    "makes no processes": """
with suppress(OSError):
    if os.fork() == 0:
        os._exit(0)
    print("escaped: forked")
""",
    "is bounded in memory": """
with suppress(MemoryError):
    bytearray(MEMORY)
    print("escaped: took", MEMORY)
""",
    "is bounded in file size": """
written = 0
with suppress(OSError):
    for number in range(8):
        written += open(str(number), "wb", 0).write(bytes(SCRATCH // 4))
if written > SCRATCH:
    print("escaped: wrote", written)
""",
    "is bounded in output": """
with suppress(OSError):
    os.write(1, b"." * (OUTPUT + 1))
    os.write(1, b"." * OUTPUT)
    print("escaped: wrote all")
""",
    "is bounded in time": """
while True:
    pass
""",
}
"""Programs that try to break a promise, by the promise."""


def broken_promises(sandbox: Sandbox) -> dict[str, str]:
    """Try each promise of a sandbox.

    Returns:
        What happened, for each promise that did not hold; empty for a sandbox that is one.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        secret = Path(folder) / "secret"
        secret.write_text("secret")
        secret.chmod(0o644)
        start = _START + _values(sandbox, secret)
        programs = [Program(start + text + 'print("done")\n', [""]) for text in ATTEMPTS.values()]
        outcomes = [outcome for (outcome,) in sandbox.run(programs)]
    judged = zip(ATTEMPTS, outcomes, strict=True)
    return {promise: _shown(outcome) for promise, outcome in judged if not _held(promise, outcome, sandbox.limits)}


def _values(sandbox: Sandbox, secret: Path) -> str:
    values = {
        "SECRET": str(secret),
        "TRAINER": os.getpid(),
        "LAUNCHER": sandbox.launcher_pid,
        "ENVIRONMENT": sorted(environment(Path("/")) | {"PWD": "", "LC_CTYPE": ""}),
        "MEMORY": sandbox.limits.memory,
        "SCRATCH": sandbox.limits.scratch,
        "OUTPUT": sandbox.limits.output,
    }
    return "".join(f"{name} = {value!r}\n" for name, value in values.items())


def _held(promise: str, outcome: Outcome, limits: Limits) -> bool:
    if promise == "is bounded in time":
        return outcome.status == "timeout"
    if promise == "is bounded in output":
        return outcome.status == "overflow" and len(outcome.output) <= limits.output
    return "escaped" not in outcome.output and outcome.output.rstrip().endswith("done")


def _shown(outcome: Outcome) -> str:
    said = " ".join(outcome.output.split())[:200]
    return f"{outcome.status} {outcome.exit}: {said}"
