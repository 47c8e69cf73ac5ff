"""How a prompt says priorities, and the file by which a trained policy knows it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from paretune.named_objects import load, source_of

FILE = "steering.json"
"""The file beside a steerable policy's weights that holds its template."""
FORMS = (None, "user")
"""The forms that need no function of one's own."""
NAMELESS = "?"
"""Stands in the file for a function that no name can load."""

Prompt = Any
"""A plain text, or the list of a chat's messages."""
Priorities = Mapping[str, float] | Sequence[float]


class Template:
    """Writes priorities into prompts.

    A plain text gets a digit for each objective before it, ``6:0:4 `` for 60 %, 0 % and 40 %. The embedded policies
    know this form from their warm-up. Each priority is shown in tenths, and what is above nine tenths as 9. A chat gets
    the line ``Priorities: accuracy 60 %, brevity 0 %, clarity 40 %.`` at the end of its system message, or as one. A
    prompt without such a line means equal priorities.

    Args:
        names: the objectives', in their order.
        form: how. None: as above. ``"user"``: before what the user says first, for a chat template without system
            messages. Or a function ``format(prompt, priorities)`` of a prompt and its priorities by name, which
            returns a prompt, or its name as ``module:function`` or ``path/to/file.py:function``.
        example: a prompt of the data, for people to read.

    Raises:
        ValueError: for another form, or a function that cannot be loaded.

    Example:
        >>> template = Template(["accuracy", "brevity", "clarity"])
        >>> template.format("12+30=?", {"accuracy": 0.6, "clarity": 0.4})
        '6:0:4 12+30=?'
        >>> template.format([{"role": "user", "content": "12+30=?"}], [1, 0, 1])[0]["content"]
        'Priorities: accuracy 50 %, brevity 0 %, clarity 50 %.'
    """

    def __init__(
        self,
        names: Sequence[str],
        form: str | Callable[[Prompt, Mapping[str, float]], Prompt] | None = None,
        *,
        example: Prompt = "",
    ) -> None:
        self.names = list(names)
        self.form = form
        self.example = example
        self._own = None if form in FORMS else load(form).value if isinstance(form, str) else form
        if self._own is not None and not callable(self._own):
            raise ValueError(
                f"`template` must be None, 'user' or a function format(prompt, priorities), got {self._own!r:.60}."
            )

    def format(self, prompt: Prompt, priorities: Priorities) -> Prompt:
        """The prompt with its priorities said.

        Args:
            prompt: a plain text, or a list of messages; it is left as it is.
            priorities: 0 or more for each objective, in order or by name (0 for those left out), of any sum above 0.

        Raises:
            ValueError: for other priorities.
        """
        values = shares(priorities, self.names)
        if self._own is not None:
            return self._own(prompt, dict(zip(self.names, values, strict=True)))
        if isinstance(prompt, str):
            return ":".join(str(min(round(10 * value), 9)) for value in values) + " " + prompt
        shown = [f"{value:.0%}".replace("%", " %") for value in values]
        said = ", ".join(f"{name} {value}" for name, value in zip(self.names, shown, strict=True))
        return _with_line(prompt, f"Priorities: {said}.", "user" if self.form == "user" else "system")

    def save(self, folder: str | Path) -> None:
        """Write :data:`FILE` into a policy's folder, which exists."""
        form = self.form if self._own is None or isinstance(self.form, str) else source_of(self.form)["name"]
        content = {
            "objectives": self.names,
            "template": form if self._own is None or form is not None else NAMELESS,
            "example": self.example,
        }
        text = json.dumps(content, ensure_ascii=False, indent=2, default=str)
        (Path(folder) / FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Template:
        """The template of a policy's folder.

        Raises:
            FileNotFoundError: if the policy is not steerable.
            ValueError: if the file is damaged, or one's own function cannot be loaded.
        """
        content = cls.read(folder)
        if content["template"] == NAMELESS:
            raise ValueError(
                f"{Path(folder) / FILE}: the template was a function without a name; write the prompts with it."
            )
        return cls(content["objectives"], content["template"], example=content["example"])

    @staticmethod
    def read(folder: str | Path) -> dict[str, Any]:
        """What :data:`FILE` in a policy's folder says: ``objectives``, ``template``, ``example``.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if it is damaged.
        """
        path = Path(folder) / FILE
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            names, form, example = (content[key] for key in ("objectives", "template", "example"))
            whole = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
            whole = whole and isinstance(form, str | None) and isinstance(example, str | list)
        except (ValueError, KeyError, TypeError, RecursionError):
            whole = False
        if not whole:
            raise ValueError(f"{path} is damaged: copy it again from the run's checkpoint.")
        return content


def shares(priorities: Priorities, names: Sequence[str]) -> list[float]:
    """Priorities in the objectives' order, divided by their sum; 0 for an objective that a mapping leaves out.

    Raises:
        ValueError: if one is negative or not finite, all are 0, a name is no objective's, or there are too few or many.
    """
    if isinstance(priorities, Mapping):
        unknown = [name for name in priorities if name not in names]
        if unknown:
            raise ValueError(f"`priorities` name {unknown[0]!r}: the objectives are {', '.join(names)}.")
        values = [float(priorities.get(name, 0.0)) for name in names]
    else:
        values = [float(value) for value in priorities]
    if len(values) != len(names):
        raise ValueError(f"`priorities` has {len(values)} values for {len(names)} objectives: give one for each.")
    total = sum(values)
    if not all(value >= 0 for value in values) or not 0 < total < float("inf"):
        raise ValueError(f"`priorities` must be 0 or more and not all 0, got {', '.join(f'{v:g}' for v in values)}.")
    return [value / total for value in values]


def _with_line(messages: Sequence[Mapping[str, Any]], line: str, role: str) -> list[dict[str, Any]]:
    """The messages with a line in the first one of a role: at its end for the system's, else before what it says."""
    found = [dict(message) for message in messages]
    parts = any(isinstance(message.get("content"), list) for message in found)
    at = next((i for i, message in enumerate(found) if message["role"] == role), None)
    if at is None or (role == "system" and at > 0):
        return [{"role": role, "content": _content(line, parts)}, *found]
    told = found[at]["content"]
    if isinstance(told, list):
        added = {"type": "text", "text": line}
        found[at]["content"] = [*told, added] if role == "system" else [added, *told]
    else:
        found[at]["content"] = f"{told}\n{line}" if role == "system" else f"{line}\n{told}"
    return found


def _content(line: str, parts: bool) -> Any:
    return [{"type": "text", "text": line}] if parts else line
