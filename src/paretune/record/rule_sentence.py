"""The sentence of model cards about the rule of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def rule_sentence(header: Mapping[str, Any], escape: Callable[[object], str]) -> str:
    """Which rule set the weights of the rewards, and from which paper it is; empty where the record does not say it.

    Args:
        header: run.json.
        escape: makes a text of anyone's one that Markdown shows as it is.
    """
    rule = header.get("rule")
    if not isinstance(rule, Mapping) or not rule.get("name"):
        return ""
    told = f"The rule {escape(rule['name'])} of paretune set the weights of the rewards in every batch"
    return f"{told} (paper: {escape(rule['paper'])})." if rule.get("paper") else f"{told}."
