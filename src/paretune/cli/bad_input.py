"""Input that the user has to mend."""

LONGEST = 800
"""Characters of a message; of a longer one the middle is left out, so that what to do still stands at its end."""
KEPT_AT_THE_END = 300


class BadInputError(Exception):
    """One line that says what was given, what was expected and what to do; ends the command with status 2.

    The line may quote files and arguments, so nothing in it steers a terminal.
    """

    def __init__(self, message: object) -> None:
        line = " ".join(str(message).split())
        if len(line) > LONGEST:
            line = f"{line[: LONGEST - KEPT_AT_THE_END]} … {line[-KEPT_AT_THE_END:]}"
        super().__init__(printable(line))


def printable(text: str) -> str:
    """A text without what would steer a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
