"""Numbers by the objectives' names, as a flag gives them: ``accuracy=0.8,length=300``."""

import math
from collections.abc import Collection, Iterable
from difflib import get_close_matches

from paretune.cli.bad_input import BadInputError

__all__ = ["check_names", "named_numbers"]


def named_numbers(flag: str, text: str) -> dict[str, float]:
    """The numbers in ``NAME=NUMBER,NAME=NUMBER``.

    Args:
        flag: for messages.
        text: what it gives.

    Raises:
        BadInputError: if the text has another form, a number is not finite or a name is given twice.
    """
    pairs: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = (piece.strip() for piece in part.rpartition("="))
        try:
            value = float(number) if equals and name else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise BadInputError(f"{flag} {text}: write it as NAME=NUMBER, with commas between several.")
        if name in pairs:
            raise BadInputError(f"{flag} {text}: {name} is given twice.")
        pairs[name] = value
    return pairs


def check_names(flag: str, named: Iterable[str], known: Collection[str]) -> None:
    """Raise :class:`BadInputError` if one of the names is no objective's."""
    for name in named:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"choose among {', '.join(known)}."
            raise BadInputError(f"{flag}: there is no objective {name!r}: {hint}")
