"""The settings that repeat a run or a comparison, or the reason why no settings can."""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from paretune.record.entries import Header
from paretune.record.fields import Fields
from paretune.report.runs import Run
from paretune.report.wording import model_name

OWN_SPELLING = ("advantage_estimator", "reward_weights", "resume_from_checkpoint", "output_dir", "seed", "max_steps")
"""Trainer settings that the command spells otherwise, that have a line of their own, or that belong to one run only."""


def run_settings(run: Run) -> str:
    """What a run was told, as a file for ``paretune train --config``; comments alone where no command can repeat it."""
    header = run.header
    told, obstacle = as_yaml(recorded_settings(header)), obstacle_of(header)
    if obstacle is not None:
        lines = [f"No command repeats this run: {obstacle}", "Its settings were:", "", *told.splitlines()]
        return "".join(f"# {line}".rstrip() + "\n" for line in lines)
    lines = ["# paretune train --config again.yaml --output_dir runs/again"]
    if "settings" not in header.content:
        lines.append("# (Its record does not hold the trainer's other settings: add those that were given.)")
    return "\n".join([*lines, told])


def obstacle_of(header: Header) -> str | None:
    """Why no command can train the same again, in a sentence; None where one can."""
    if header.source is None:
        return "a script made it, and its record does not name the script's rewards, data and model."
    source = Fields(header.content, "", notes=[]).inside("rule").inside("source")
    if source.content and not source.text("name") and "rule" not in header.source.settings:
        return "its rule is a class made inside a function, which no name can load: move it to a module."
    return None


def recorded_settings(header: Header) -> dict[str, Any]:
    """The settings with which ``paretune train`` trains the same again, by name, as plain JSON values."""
    named = {} if header.source is None else dict(header.source.settings)
    if "source" not in header.content:  # earlier versions did not say whether the model was the task's own
        named["model_name_or_path"] = model_name(header.model, header.task)
    named.setdefault("rule", header.rule)
    settings = {
        **named,
        "rule_settings": dict(header.rule_settings),
        "algorithm": header.algorithm,
        "seed": header.seed,
        "max_steps": header.max_steps,
    }
    given = {name: value for name, value in settings.items() if value not in (None, {}, "")}
    return given | {name: value for name, value in header.settings.items() if name not in OWN_SPELLING}


def as_yaml(settings: Mapping[str, Any]) -> str:
    """Settings as YAML, in their order."""
    # By way of JSON: what a record holds is JSON, and YAML's own tags stay out.
    plain = json.loads(json.dumps(dict(settings)))
    dumped: str = yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return dumped


class _Dumper(yaml.SafeDumper):
    """Quotes what another reader of YAML would take for a number: 0.5,0.25 or 1e-6."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    quoted = re.fullmatch(r"[-+.,\d_e]+", value) is not None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="'" if quoted else None)


_Dumper.add_representer(str, _text)
