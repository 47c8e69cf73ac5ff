"""Work that failed although the user's input was right."""


class FailedError(Exception):
    """One line that says what failed and what to do; ends the command with status 1."""

    def __init__(self, message: object) -> None:
        super().__init__(" ".join(str(message).split()))
