"""The settings to run something again."""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from paretune.record.fields import Fields
from paretune.report.runs import Run
from paretune.report.wording import model_name

OWN_SPELLING = ("advantage_estimator", "reward_weights", "resume_from_checkpoint", "output_dir", "seed", "max_steps")
"""Trainer settings that the command spells otherwise, that have a line of their own, or that belong to one run only."""


def run_settings(run: Run) -> str:
    """What a run was told, as a file for ``paretune train --config``."""
    header = run.header
    details = Fields(header.content, "", notes=[])
    settings: dict[str, Any] = {
        "task": header.task,
        "data": details.inside("task_details").text("data"),
        "bounds": dict(details.inside("task_details").mapping("bounds")),
        "rule": details.inside("rule").inside("source").text("name") or header.rule,
        "rule_settings": dict(header.rule_settings),
    }
    settings |= {
        "algorithm": header.algorithm,
        "model_name_or_path": model_name(header.model, header.task),
        "seed": header.seed,
        "max_steps": header.max_steps,
    }
    settings |= {k: v for k, v in header.settings.items() if k not in OWN_SPELLING}
    told = as_yaml({name: value for name, value in settings.items() if value not in (None, {}, "")})
    lines = ["# paretune train --config again.yaml --output_dir runs/again"]
    source = details.inside("rule").inside("source")
    if source.content and source.text("name") is None:
        lines.append("# (Its rule is a class made inside a function, which no file can name: move it to a module.)")
    if "settings" not in header.content:
        lines.append("# (Its record does not hold the trainer's other settings: add those that were given.)")
    return "\n".join([*lines, told])


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
