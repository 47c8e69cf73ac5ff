"""Input that the user has to mend."""


class BadInputError(Exception):
    """One line that says what was given, what was expected and what to do; ends the command with status 2."""

    def __init__(self, message: object) -> None:
        super().__init__(" ".join(str(message).split()))
