"""The card of a policy that was picked from a front: Markdown with a YAML head, as model hubs read it.

Names come from records, whose writers may be anyone: in the text they are escaped. Folders of the machine are named
without what leads to them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import yaml

from paretune import __version__
from paretune.choosing.model_folder import is_adapter
from paretune.choosing.pick import Choice, PickError, Point
from paretune.record.figures import figure, span, with_error
from paretune.record.rule_sentence import rule_sentence
from paretune.record.run_directory import read_run
from paretune.steering import FILE, Template

OF_RUN = (
    "task", "rule", "algorithm", "seed", "max_steps", "generation", "evaluation", "settings", "threads", "versions",
    "started", "ended",
)  # fmt: skip
"""What the card says of the run, as run.json has it."""


def model_card(choice: Choice, title: str) -> str:
    """The text of README.md.

    Args:
        choice: the policy, and how it was chosen.
        title: the name of its folder.

    Raises:
        FileNotFoundError: if the run is gone.
        RecordError: if its run.json is broken.
    """
    header, point = read_run(choice.point.run), choice.point
    assert point.checkpoint is not None
    adapter = is_adapter(point.checkpoint)
    base = str(header.get("model"))
    is_local = Path(base).exists() or not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", base)
    algorithm = re.sub(r"[^a-z0-9]+", "-", str(header.get("algorithm", "")).lower()).strip("-")
    head = {
        "library_name": "peft" if adapter else "transformers",
        **({} if is_local else {"base_model": base}),
        "pipeline_tag": "text-generation",
        "tags": ["paretune", "trl", *([algorithm] if algorithm else []), *(["lora"] if adapter else [])],
    }
    told = f"a local model named {escape(_last_part(base))}" if is_local else escape(base)
    run = {key: header[key] for key in OF_RUN if header.get(key) is not None}
    sections = [
        f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---",
        f"# {escape(title)}",
        f"{'An adapter for' if adapter else 'A policy trained from'} {told}: step {point.step} of the run "
        f"{escape(point.run.name)}, picked from the Pareto front of its objectives with paretune.",
        *filter(None, [rule_sentence(header, escape)]),
        _objectives(choice),
        *_steering(point),
        _reasons(choice),
        "## The front\n\nMeans on the validation set ± standard error. The front was chosen by these figures, so they "
        f"are on average somewhat better than the policies.\n\n{_table(choice, choice.candidates, _validation)}",
        *_test_sections(choice),
        f"## The run\n\n```json\n{json.dumps(_public(run), ensure_ascii=False, indent=2)}\n```",
        f"Picked with paretune {__version__}.",
    ]
    return "\n\n".join(sections) + "\n"


def standing(point: Point) -> str:
    """What there is of a policy, if it is not a checkpoint."""
    if point.checkpoint is not None:
        return ""
    return "not kept" if point.step else "before training"


def escape(text: object) -> str:
    """Text that Markdown shows as it is, on one line, in a table's cell too."""
    line = "".join(c if c.isprintable() else " " for c in str(text))
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\](){}|~#$!:@])", r"\\\1", line)


def _objectives(choice: Choice) -> str:
    rows = [
        [escape(o.name), "more" if o.maximize else "less", span(*o.bounds) if o.bounds else ""]
        for o in choice.fronts.objectives
    ]
    return "## Objectives\n\n" + _markdown_table(["objective", "better is", "bounds"], rows)


def _steering(point: Point) -> list[str]:
    """How the prompt of a policy that is steered says priorities; nothing for any other."""
    checkpoint = point.checkpoint
    if checkpoint is None or not (checkpoint / FILE).is_file():
        return []
    try:
        told = Template.read(checkpoint)
    except (OSError, ValueError) as error:
        raise PickError(str(error)) from error
    prompt, first = told["example"], {name: float(name == told["objectives"][0]) for name in told["objectives"]}
    asked = first if point.priorities is None else dict(point.priorities)
    try:
        said = Template.load(checkpoint).format(prompt, asked)
    except Exception:  # a function of the user's own, whose module may be gone
        how = "It does so by a function of the one who trained it."
    else:
        what = (
            "asks for the first one alone" if point.priorities is None else "asks for the priorities that were picked"
        )
        how = f"This prompt {what}:\n\n```json\n{_code(said)}\n```"
    call = "generate" if isinstance(prompt, str) else "chat"
    use = f"""\
With transformers:

```python
from paretune.steering import Template
from transformers import pipeline

template, prompt = Template.load(FOLDER), {_code(prompt)}
asked = template.format(prompt, {_code(asked)})
print(pipeline("text-generation", FOLDER)(asked, return_full_text=False)[0]["generated_text"])
```

With vLLM, `asked` made in the same way:

```python
from vllm import LLM

print(LLM(FOLDER).{call}(asked)[0].outputs[0].text)
```"""
    meaning = "The prompt states how much each objective matters. A prompt that does not means equal priorities."
    return [f"## Steering it\n\n{meaning} {how}\n\n{use}"]


def _code(value: Any) -> str:
    """A value as JSON and Python write it alike, without a character that ends a block of code."""
    return json.dumps(value, ensure_ascii=False, default=str).replace("`", "\\u0060")


def _reasons(choice: Choice) -> str:
    wish = choice.wish
    lines = [f"It had to meet {escape(condition)}." for condition in wish.conditions]
    weights = ", ".join(f"{escape(name)} {weight:g}" for name, weight in wish.preference.items())
    what = f"weighted mean ({weights})" if wish.preference else "product"
    lines.append(f"It has the largest {what} of the objectives' gains, each 0 at the worst bound and 1 at the best.")
    lines.append(f"Its score is {figure(wish.score(choice.fronts.objectives, choice.point.metrics), 4)}.")
    for point in choice.better:
        score = wish.score(choice.fronts.objectives, point.metrics)
        why = "but its checkpoint was not kept" if point.step else "and is the policy before training"
        lines.append(f"{_name(choice, point)} is better ({figure(score, 4)}) {why}.")
    return "## How it was picked\n\n" + "\n".join(f"- {line}" for line in lines)


def _test_sections(choice: Choice) -> list[str]:
    sections = []
    decodings = sorted({d for point in choice.candidates for d in point.test}, key=lambda d: (d != "sampled", d))
    for decoding in decodings:
        points = [point for point in choice.candidates if decoding in point.test]
        measured = points[0].test[decoding]
        how = f"{escape(decoding)}, {'?' if measured.samples is None else measured.samples} completions"
        if decoding == "sampled" and measured.temperature is not None:
            how += f" at temperature {measured.temperature}"

        def cell(point: Point, name: str, decoding: str = decoding) -> str:
            return with_error(point.test[decoding].metrics.get(name), point.test[decoding].errors.get(name))

        sections.append(f"## On the test set ({how})\n\n{_table(choice, points, cell)}")
    return sections


def _table(choice: Choice, points: Sequence[Point], cell: Callable[[Point, str], str]) -> str:
    """One row a point, the pick in bold."""
    names = [objective.name for objective in choice.fronts.objectives]
    rows = []
    for point in points:
        is_pick = point is choice.point
        cells = [_name(choice, point), *(cell(point, name) for name in names)]
        cells = [f"**{text}**" for text in cells] if is_pick else cells
        rows.append([*cells, "picked" if is_pick else standing(point)])
    return _markdown_table(["policy", *map(escape, names), ""], rows)


def _validation(point: Point, name: str) -> str:
    return with_error(point.metrics[name], point.errors.get(name))


def _name(choice: Choice, point: Point) -> str:
    """What a point is called: by its step, and its run where there are several."""
    where = f", {escape(point.setting)}" if point.priorities else ""
    return (f"{escape(point.run.name)} step {point.step}" if choice.fronts.several else f"step {point.step}") + where


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _public(value: Any, key: str = "") -> Any:
    """A value of run.json without secrets, and without the folders of the machine."""
    if isinstance(value, Mapping):
        return {str(k): _public(v, str(k)) for k, v in value.items() if not str(k).endswith(("token", "_key"))}
    if isinstance(value, list):
        return [_public(item, key) for item in value]
    if isinstance(value, str) and (PurePosixPath(value).is_absolute() or PureWindowsPath(value).drive):
        return _last_part(value)
    return value


def _last_part(path: str) -> str:
    return PureWindowsPath(path).name or path
