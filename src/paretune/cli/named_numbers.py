"""Numbers and bounds by the objectives' names, as flags give them: ``accuracy=0.8,length=300``, ``accuracy=0:1``."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from paretune.cli.bad_input import BadInputError
from paretune.cli.declared_types import brief
from paretune.named_objects import hint

BOUNDS_FORM = "NAME=LOW:HIGH, with commas between several"


def check_once(argv: Sequence[str], flags: Iterable[str]) -> None:
    """Raise :class:`BadInputError` if one of the flags is repeated: of its values only the last would count."""
    given = [argument.partition("=")[0] for argument in argv]
    if twice := next((flag for flag in flags if given.count(flag) > 1), None):
        raise BadInputError(f"{twice} is given twice: give it once, with commas between several.")


def named_numbers(flag: str, text: str) -> dict[str, float]:
    """The numbers in ``NAME=NUMBER,NAME=NUMBER``.

    Args:
        flag: for messages.
        text: what it gives.

    Raises:
        BadInputError: if the text has another form, a number is not finite or a name is given twice.
    """
    pairs: dict[str, float] = {}
    for name, number in _pairs(text):
        try:
            value = float(number) if name else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise BadInputError(f"{flag} {text}: write it as NAME=NUMBER, with commas between several.")
        if name in pairs:
            raise BadInputError(f"{flag} {text}: {name} is given twice.")
        pairs[name] = value
    return pairs


def _pairs(text: str) -> list[tuple[str, str]]:
    """The names and what stands behind their equals signs; a name has commas where no equals sign is before them."""
    parts = [""]
    for piece in text.split(","):
        if "=" in parts[-1]:
            parts.append(piece)
        else:
            parts[-1] += f",{piece}" if parts[-1] else piece
    divided = (part.rpartition("=") for part in parts)
    return [(name.strip(), value.strip()) for name, _, value in divided]


def check_names(flag: str, named: Iterable[str], known: Collection[str]) -> None:
    """Raise :class:`BadInputError` if one of the names is no objective's."""
    for name in named:
        if name not in known:
            what = hint(name, known, f"choose among {', '.join(known)}.")
            raise BadInputError(f"{flag}: there is no objective {name!r}: {what}")


def named_bounds(given: str | Mapping[str, Any]) -> dict[str, list[float]]:
    """Bounds by name, as JSON has them.

    Args:
        given: ``name=low:high,name=low:high``, or a mapping of names to [low, high].

    Raises:
        BadInputError: if it has another form, a name is given twice, or low is not below high.
    """
    told = [(name, limits.split(":")) for name, limits in _pairs(given)] if isinstance(given, str) else given.items()
    bounds: dict[str, list[float]] = {}
    for name, limits in told:
        if name in bounds:
            raise BadInputError(f"--bounds: {name} is given twice.")
        try:
            low, high = map(float, limits if name else ())
        except (TypeError, ValueError) as error:
            raise BadInputError(f"--bounds {brief(given)}: write it as {BOUNDS_FORM}.") from error
        if not (math.isfinite(high - low) and low < high):
            raise BadInputError(f"--bounds: {name} needs a low below its high, both finite, got {low:g}:{high:g}.")
        bounds[name] = [low, high]
    return bounds
