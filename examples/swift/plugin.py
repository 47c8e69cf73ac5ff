"""A plugin for `swift rlhf --external_plugins plugin.py`: two rewards, and the rule that weighs them."""

from swift.rewards import ORM, orms

from paretune import NashWelfare
from paretune.integrations.swift import weigh
from paretune.tasks.arithmetic.scoring import accuracy, clarity


class Accuracy(ORM):
    """Whether the answer ends with the right sum."""

    def __call__(self, completions, answer, **columns):
        """0 or 1 for each completion."""
        return accuracy(completions, answer)


class Clarity(ORM):
    """The share of the steps that are written out."""

    def __call__(self, completions, numbers, **columns):
        """From 0 to 1 for each completion."""
        return clarity(completions, numbers)


orms["accuracy"] = Accuracy
orms["clarity"] = Clarity
weigh(NashWelfare(), bounds={"Accuracy": (0, 1), "Clarity": (0, 1)})  # by the names in ms-swift's log
