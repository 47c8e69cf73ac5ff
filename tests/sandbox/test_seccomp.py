"""The system call filter: its numbers are the kernel's, and the program decides as it should."""

import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from paretune.sandbox import seccomp

MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
HEADERS = {
    "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    "aarch64": "/usr/include/asm-generic/unistd.h",
}
BY_ARGUMENTS = {
    name.removeprefix("_").lower(): numbers
    for name, numbers in vars(seccomp).items()
    if name in ("_CLONE", "_CLONE3", "_PRLIMIT", "_PRCTL", "_IOCTL", "_FCNTL", "_SENDTO", "_OPEN", "_OPENAT")
}
KERNEL_NAMES = {"prlimit": "prlimit64"}
ALLOW, KILL = "allow", "kill"
EPERM, ENOTTY, ENOSYS = 1, 25, 38
REFUSED = {  # some that would let a program out: (x86_64, aarch64)
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "sendmsg": (46, 211), "sendmmsg": (307, 269),
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_open": (434, 434),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280), "io_uring_setup": (425, 425), "keyctl": (250, 219),
    "setuid": (105, 146), "setresuid": (117, 147), "setgroups": (116, 159), "capset": (126, 91), "setsid": (112, 157),
    "seccomp": (317, 277), "personality": (135, 92), "memfd_create": (319, 279), "execveat": (322, 281),
    "symlinkat": (266, 36), "linkat": (265, 37), "mknodat": (259, 33), "fchmodat": (268, 53), "fchownat": (260, 54),
    "utimensat": (280, 88), "shmget": (29, 194), "mq_open": (240, 180), "timer_create": (222, 107),
    "flock": (73, 32), "inotify_init1": (294, 26), "fanotify_init": (300, 262),
    "init_module": (175, 105), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "reboot": (169, 142),
    "sched_setaffinity": (203, 122), "landlock_restrict_self": (446, 446), "open_by_handle_at": (304, 265),
}  # fmt: skip


def decide(machine: str, number: int, *arguments: int, architecture: int | None = None) -> object:
    """What the filter says to a call: an interpreter of classic BPF, as of linux/filter.h."""
    if architecture is None:
        architecture = MACHINES[machine][0]
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<iIQ6Q", number - 2**32 if number >= 2**31 else number, architecture, 0, *padded)
    program = list(struct.iter_unpack("<HBBI", seccomp.program(machine)))
    position = accumulator = 0
    while True:
        operation, if_true, if_false, value = program[position]
        position += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif operation == 0x06:
            break
        else:
            test = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: accumulator & value != 0}[operation]
            position += if_true if test else if_false
    action, error = value & 0xFFFF0000, value & 0xFFFF
    return {0x7FFF0000: ALLOW, 0x80000000: KILL, 0x00050000: error}[action]


def kernel_numbers(machine: str) -> Mapping[str, int]:
    header = Path(HEADERS[machine])
    if not header.is_file():
        pytest.skip(f"the kernel's header {header} is not installed")
    text = header.read_text()
    direct = re.findall(r"#define __NR_(\w+)\s+(\d+)", text)
    # asm-generic gives some a number under another name: __NR3264_fcntl 25, then __NR_fcntl __NR3264_fcntl on 64 bits.
    of_both = dict(re.findall(r"#define __NR3264_(\w+)\s+(\d+)", text))
    wide = text.split("#if __BITS_PER_LONG == 64", 1)[-1].split("#else", 1)[0]
    aliases = re.findall(r"#define __NR_(\w+)\s+__NR3264_(\w+)", wide)
    return {name: int(number) for name, number in direct} | {
        name: int(of_both[alias]) for name, alias in aliases if alias in of_both
    }


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_the_kernels(machine: str) -> None:
    numbers = kernel_numbers(machine)
    column = MACHINES[machine][1]
    table = {**seccomp.ALLOWED, **BY_ARGUMENTS, **REFUSED}
    ours = {KERNEL_NAMES.get(name, name): columns[column] for name, columns in table.items()}
    # Left out are calls that the machine has not, and those that are younger than an old header (clone3 is of 2019).
    ours = {name: number for name, number in ours.items() if number is not None and (name in numbers or number < 425)}
    assert ours == {name: numbers.get(name) for name in ours}
    assert len(ours) > 100


@pytest.mark.parametrize("machine", MACHINES)
def test_each_number_stands_once(machine: str) -> None:
    column = MACHINES[machine][1]
    numbers = [columns[column] for columns in (*seccomp.ALLOWED.values(), *BY_ARGUMENTS.values())]
    present = [number for number in numbers if number is not None]
    assert len(set(present)) == len(present)
    assert len(BY_ARGUMENTS) == 9


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_in_the_table_is_allowed_and_nothing_else(machine: str) -> None:
    column = MACHINES[machine][1]
    allowed = {columns[column] for columns in seccomp.ALLOWED.values()} - {None}
    by_arguments = {columns[column] for columns in BY_ARGUMENTS.values()}
    for number in range(600):
        if number not in by_arguments:
            assert decide(machine, number, 7, 7, 7, 7, 7, 7) == (ALLOW if number in allowed else EPERM), number
    for name, numbers in REFUSED.items():
        assert decide(machine, numbers[column]) == EPERM, name


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_by_their_arguments(machine: str) -> None:
    column = MACHINES[machine][1]

    def call(name: str, *arguments: int) -> object:
        return decide(machine, BY_ARGUMENTS[name][column], *arguments)

    assert call("clone", 0x01200011) == ALLOW  # fork, as the C library makes it
    assert call("clone", 0x003D0F00) == ALLOW  # a thread
    for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert call("clone", flag | 17) == EPERM
        assert seccomp.NEW_NAMESPACES & flag
    assert call("clone3") == ENOSYS
    assert call("prlimit", 0, 7) == ALLOW
    assert call("prlimit", 1, 7) == EPERM
    for request in (0x5401, 0x541B, 0x5421):  # TCGETS, FIONREAD, FIONBIO
        assert call("ioctl", 1, request) == ALLOW
    for request in (0x5412, 0x541D, 0x8901, 0x8902, 0x5452, 0x40045203, 0):  # TIOCSTI, TIOCCONS, FIOSETOWN, FIOASYNC, …
        assert call("ioctl", 1, request) == ENOTTY
    for command in (*range(5), 1030):
        assert call("fcntl", 3, command) == ALLOW
    for command in (5, 6, 7, 36, 37, 38):  # F_GETLK, F_SETLK, F_SETLKW, and those of open file descriptions
        assert call("fcntl", 3, command) == EPERM
    for command in (8, 10, 15, 1024, 1026, 1031, 1033):  # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY, …
        assert call("fcntl", 3, command) == EPERM
    for name, before in (("openat", (3, 4096)), ("open", (4096,))):
        if BY_ARGUMENTS[name][column] is not None:
            for flags in (os.O_RDONLY, os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC):
                assert call(name, *before, flags) == ALLOW
            for flag in (os.O_PATH, os.O_TMPFILE):
                assert call(name, *before, flag | os.O_RDWR) == EPERM
    assert call("prctl", 1, 9) == ALLOW
    for option, value in ((1, 0), (1, 15), (4, 1), (22, 2), (15, 9), (38, 9), (0x59616D61, 9)):
        assert call("prctl", option, value) == EPERM
    assert call("sendto", 3, 4096, 8, 0, 0, 0) == ALLOW
    assert call("sendto", 3, 4096, 8, 0, 4096, 16) == EPERM
    assert call("sendto", 3, 4096, 8, 0, 2**32, 16) == EPERM  # half of the pointer is 0


@pytest.mark.parametrize("machine", MACHINES)
def test_other_numberings_are_killed(machine: str) -> None:
    for architecture in (0x40000003, 0x40000028, 0xC0000015, 0, *(a for a, _ in MACHINES.values())):
        expected = ALLOW if architecture == MACHINES[machine][0] else KILL
        assert (
            decide(machine, seccomp.ALLOWED["read"][MACHINES[machine][1]] or 0, architecture=architecture) == expected
        )
    if machine == "x86_64":
        assert decide(machine, 0x40000000) == KILL  # x32's read
        assert decide(machine, 0x40000000 | 101) == KILL
        assert decide(machine, 2**32 - 1) == KILL
    assert decide(machine, 0x3FFFFFFF) == EPERM


def test_the_kernel_takes_a_program_of_this_length() -> None:
    assert all(len(seccomp.program(machine)) // 8 <= 4096 for machine in MACHINES)


def test_another_machine_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'riscv64'.*x86_64, aarch64"):
        seccomp.program("riscv64")
