"""The seccomp filter: the system calls that an interpreter needs, and no others.

It is written out as a classic BPF program, because a bare machine may lack the library libseccomp.
"""

import platform
import struct
from collections.abc import Sequence

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS, _ENOTTY = 1, 38, 25
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF_LD|W|ABS, BPF_JMP|…|K, BPF_RET|K
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # AUDIT_ARCH_…, column of the table below
_X32 = 0x40000000  # x86_64's second numbering

NEW_NAMESPACES = 0x7E020000
"""The CLONE_NEW… bits of clone's flags."""

REQUESTS = (0x5401, 0x5413, 0x5450, 0x5451, 0x541B, 0x5421)
"""The ioctl requests by which an interpreter finds out what a descriptor is and sets whether it blocks: TCGETS,
TIOCGWINSZ, FIONCLEX, FIOCLEX, FIONREAD, FIONBIO."""

COMMANDS = (0, 1, 2, 3, 4, 1030)
"""The fcntl commands F_DUPFD to F_SETFL and F_DUPFD_CLOEXEC. Left out are locks, by which runs could signal each other
with the interpreter's files, and F_SETOWN and F_SETSIG, which have the kernel send signals to any process of the same
user."""

FLAGS = 0o10000000 | 0o20000000
"""O_PATH and O_TMPFILE: open's flags that reach a file which may not be read, and make one that no folder shows."""

_PR_SET_PDEATHSIG, _SIGKILL = 1, 9

# name: its number on (x86_64, aarch64). Left out: socket, connect, ptrace, mount, unshare, setns, bpf, keyctl,
# process_vm_*, pidfd_*, kill, flock, memfd_create, link, symlink, mknod, chmod, chown, utime, setuid and its kin,
# setsid, and sendmsg, which takes an address and descriptors where no filter can see them.
# fmt: off
ALLOWED: dict[str, tuple[int, int | None]] = {
    # files
    "read": (0, 63), "write": (1, 64), "close": (3, 57),
    "close_range": (436, 436), "creat": (85, None), "stat": (4, None), "fstat": (5, 80), "lstat": (6, None),
    "newfstatat": (262, 79), "statx": (332, 291), "statfs": (137, 43), "fstatfs": (138, 44), "access": (21, None),
    "faccessat": (269, 48), "faccessat2": (439, 439), "lseek": (8, 62), "pread64": (17, 67), "pwrite64": (18, 68),
    "readv": (19, 65), "writev": (20, 66), "getdents64": (217, 61), "getcwd": (79, 17), "chdir": (80, 49),
    "fchdir": (81, 50), "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "mkdir": (83, None),
    "mkdirat": (258, 34), "rmdir": (84, None), "unlink": (87, None), "unlinkat": (263, 35), "readlink": (89, None),
    "readlinkat": (267, 78), "umask": (95, 166),
    "truncate": (76, 45), "ftruncate": (77, 46), "fsync": (74, 82), "fdatasync": (75, 83),
    "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24),
    "pipe": (22, None), "pipe2": (293, 59),
    # waiting
    "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72), "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21), "epoll_wait": (232, None), "epoll_pwait": (281, 22), "eventfd2": (290, 19),
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "getitimer": (36, 102), "setitimer": (38, 103),
    "alarm": (37, None), "pause": (34, None),
    # memory
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216), "madvise": (28, 233),
    "brk": (12, 214),
    # signals
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136),
    "rt_sigsuspend": (130, 133), "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    # processes
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "exit": (60, 93), "exit_group": (231, 94),
    "wait4": (61, 260), "waitid": (247, 95), "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173),
    "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177), "getresuid": (118, 148),
    "getresgid": (120, 150), "getgroups": (115, 158), "getrlimit": (97, 163), "setrlimit": (160, 164),
    "getrusage": (98, 165), "times": (100, 153), "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    "futex": (202, 98), "set_tid_address": (218, 96), "set_robust_list": (273, 99), "rseq": (334, 293),
    "arch_prctl": (158, None),
    # pairs of sockets, made and inherited; none can be opened
    "socketpair": (53, 199), "recvfrom": (45, 207), "recvmsg": (47, 212), "shutdown": (48, 210),
    "getsockopt": (55, 209), "getsockname": (51, 204),
    # clock, chance, machine
    "gettimeofday": (96, 169), "time": (201, None), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "getrandom": (318, 278), "uname": (63, 160),
}
# fmt: on
# These by their arguments.
_CLONE, _CLONE3, _PRLIMIT, _PRCTL = (56, 220), (435, 435), (302, 261), (157, 167)
_IOCTL, _FCNTL, _SENDTO = (16, 29), (72, 25), (44, 206)
_OPEN, _OPENAT = (2, None), (257, 56)


def program(machine: str | None = None) -> bytes:
    """The filter as an array of ``struct sock_filter``, for ``bwrap --seccomp`` or ``prctl(PR_SET_SECCOMP)``.

    A call that is not allowed fails with EPERM, one of another architecture kills the process. ``clone`` makes no
    namespaces; ``clone3``, whose flags a filter cannot see, does not exist, so that the C library falls back to
    ``clone``. ``prlimit64`` works on the own process alone, ``prctl`` only makes it die with its parent, ``sendto``
    takes no address; ``ioctl`` and ``fcntl`` have the requests above, and ``open`` not the flags.

    Args:
        machine: as in ``platform.machine()``; this one's by default.

    Raises:
        ValueError: for another machine than x86_64 or aarch64.
    """
    machine = platform.machine() if machine is None else machine
    if machine not in _MACHINES:
        raise ValueError(f"no seccomp filter for the machine {machine!r}: it is written for {', '.join(_MACHINES)}.")
    architecture, column = _MACHINES[machine]
    code = [_step(_LOAD, _ARCHITECTURE), _step(_EQUAL, architecture, 1, 0), _verdict(_KILL), _step(_LOAD, _NUMBER)]
    if machine == "x86_64":
        code += [_step(_AT_LEAST, _X32, 0, 1), _verdict(_KILL)]
    for numbers in ALLOWED.values():
        number = numbers[column]
        if number is not None:
            code += _when(number, [_verdict(_ALLOW)])
    code += _when(_CLONE[column], _without(0, NEW_NAMESPACES))
    code += _when(_OPENAT[column], _without(2, FLAGS))
    if (number := _OPEN[column]) is not None:
        code += _when(number, _without(1, FLAGS))
    code += _when(_CLONE3[column], [_verdict(_ERRNO | _ENOSYS)])
    code += _when(_IOCTL[column], [*_among(1, REQUESTS), _verdict(_ERRNO | _ENOTTY)])
    code += _when(_FCNTL[column], [*_among(1, COMMANDS), _verdict(_ERRNO | _EPERM)])
    code += _when(_PRLIMIT[column], [*_among(0, [0]), _verdict(_ERRNO | _EPERM)])
    dies = [_load(0), *_when(_PR_SET_PDEATHSIG, _among(1, [_SIGKILL])), _verdict(_ERRNO | _EPERM)]
    code += _when(_PRCTL[column], dies)
    nowhere = [_load(4), *_when(0, _among(4, [0], upper=True)), _verdict(_ERRNO | _EPERM)]
    code += _when(_SENDTO[column], nowhere)
    return b"".join([*code, _verdict(_ERRNO | _EPERM)])


def _step(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, if_true, if_false, value)


def _verdict(verdict: int) -> bytes:
    return _step(_RETURN, verdict)


def _when(value: int, steps: list[bytes]) -> list[bytes]:
    """The steps, if the word loaded last equals the value."""
    return [_step(_EQUAL, value, 0, len(steps)), *steps]


def _load(argument: int, *, upper: bool = False) -> bytes:
    """Load an argument's lower half, or its upper one."""
    return _step(_LOAD, _ARGUMENTS + 8 * argument + 4 * upper)


def _without(argument: int, bits: int) -> list[bytes]:
    """Allow the call unless an argument has one of these bits."""
    return [_load(argument), _step(_ANY_BIT, bits, 0, 1), _verdict(_ERRNO | _EPERM), _verdict(_ALLOW)]


def _among(argument: int, values: Sequence[int], *, upper: bool = False) -> list[bytes]:
    """Allow the call if an argument is one of the values; go on if not."""
    return [_load(argument, upper=upper), *(step for value in values for step in _when(value, [_verdict(_ALLOW)]))]
