"""What a program may use up."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Limits:
    """The bounds of one run of a program: one process, which makes no others, on one input.

    The process that holds its database has the same bounds on processor time and memory.

    Args:
        cpu_seconds: processor time, in whole seconds. It does not depend on what else the machine does.
        seconds: time by the clock, for a program that waits. Above `cpu_seconds` on a busy machine.
        memory: bytes of address space, the interpreter's own 60 MB included.
        scratch: bytes that all its files have together.
        output: bytes that it prints, and bytes of the statements it hands to its database.
        patience: a program that was out of time or said too much on so many inputs is not run on the rest: they count
            as out of time.

    Raises:
        ValueError: for a limit that is not positive, or has a fraction where it must be whole.
    """

    cpu_seconds: int = 1
    seconds: float = 5.0
    memory: int = 256 * 2**20
    scratch: int = 16 * 2**20
    output: int = 2**18
    patience: int = 2

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            whole = isinstance(field.default, int)
            if not isinstance(value, int if whole else int | float) or not 0 < value < float("inf"):
                kind = "a positive whole number" if whole else "a positive number"
                raise ValueError(f"`{field.name}` of the sandbox's limits must be {kind}, got {value!r}.")
