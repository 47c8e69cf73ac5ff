"""Reading prompts and completions: their text, and the boxes in which a completion gives its answer."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


def completion_text(completion: Any) -> str:
    """The text of a completion: a string, or a chat, of which the last message of the assistant counts.

    Content that comes in parts is joined; parts that are no text are left out, and no content is "".

    Raises:
        TypeError: if it is neither.
    """
    if isinstance(completion, str):
        return completion
    if not isinstance(completion, Sequence) or not all(isinstance(m, Mapping) for m in completion):
        raise TypeError(f"A completion must be a string or a list of messages, got {type(completion).__name__}.")
    content = next((m.get("content") for m in reversed(completion) if m.get("role") == "assistant"), None)
    if not content:
        return ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content)


def prompt_text(prompt: Any) -> str:
    """The text of a prompt: a string, or a chat, of which the last message of the user counts; for people to read.

    Raises:
        TypeError: if it is neither.
    """
    if isinstance(prompt, str):
        return prompt
    return completion_text([{**message, "role": "assistant"} for message in prompt if message.get("role") == "user"])


_BOX_OR_BRACE = re.compile(r"\\{1,2}boxed(?![A-Za-z])\s*|\\.|[{}]", re.DOTALL)
_UNBRACED = re.compile(r"(?:[^\s${}]|\{[^{}]*\})+")


class Box(NamedTuple):
    r"""A \boxed of a text: where it starts, where its content starts and ends, whether braces hold it.

    It is not closed where the text ends before it does, as in a completion that was cut off.
    """

    start: int
    inside: int
    end: int
    braced: bool
    closed: bool
    text: str

    @property
    def content(self) -> str:
        """What it holds. Cut out when asked for: nested boxes hold one another, and together too much to keep."""
        inside = self.text[self.inside : self.end].strip()
        return inside if self.braced else inside.rstrip(".,;")


def boxes(text: str) -> list[Box]:
    """The boxes of a text, in the order in which they end. One pass, whatever the nesting."""
    found = []
    open_braces: list[tuple[int, int] | None] = []
    last: re.Match[str] | None = None
    for match in _BOX_OR_BRACE.finditer(text):
        token = match.group()
        if token == "{":
            box = last if last is not None and last.end() == match.start() else None
            open_braces.append((box.start(), match.end()) if box else None)
        elif token == "}":
            opened = open_braces.pop() if open_braces else None
            if opened is not None:
                found.append(Box(*opened, match.start(), True, True, text))
        elif "boxed" in token:
            last = match
            if not text.startswith("{", match.end()):
                unbraced = _UNBRACED.match(text, match.end())
                end = match.end() if unbraced is None else unbraced.end()
                if unbraced is not None or end == len(text):
                    found.append(Box(match.start(), match.end(), end, False, unbraced is not None, text))
    found += [Box(*opened, len(text), True, False, text) for opened in reversed(open_braces) if opened is not None]
    return found


def last_box(text: str) -> str | None:
    r"""The content of the last \boxed that is not empty; None if there is none, or if it is cut off."""
    last_first = sorted(boxes(text), reverse=True)
    last = next((box for box in last_first if not box.closed or box.content), None)
    return last.content if last is not None and last.closed else None
