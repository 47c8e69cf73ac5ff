"""The form of each command: which settings it takes, and what stands before its flags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from paretune.cli.arguments import (
    CheckArguments,
    CompareArguments,
    DivergenceArguments,
    EvaluateArguments,
    ReportArguments,
    RunArguments,
    SteerArguments,
)
from paretune.cli.described import CONFIG, MODEL

TRAINING = (RunArguments, CONFIG, MODEL)


@dataclass(frozen=True)
class Form:
    """What a command is told.

    Attributes:
        types: the dataclasses that it fills; one that takes long to import as ``module:Class``.
        words: how a usage line shows what stands before the flags.
        least_words: how many of these it needs.
        several: whether it takes more than that.
        lacking: what is said where there are fewer.
        no_folder: what is said of a word that is no folder; empty where that is found out later.
        hidden: settings that have another spelling here, and that spelling.
        launches: whether accelerate's launch flags are taken.
        about: what the command does, for its help.
    """

    types: Sequence[type | str]
    words: str = ""
    least_words: int = 0
    several: bool = False
    lacking: str = ""
    no_folder: str = ""
    hidden: Mapping[str, str] = field(default_factory=dict)
    launches: bool = False
    about: str = ""


OF_TRAINING = {"advantage_estimator": "algorithm", "reward_weights": "weights"}
OF_RUNS = {
    "seed": "seeds", "rule": "rules", "algorithm": "algorithms", "weights": "rules", "preset": "rules",
    "rule_settings": "arms", "priorities": "arms", "maximize": "arms", "at_least": "arms", "at_most": "arms",
    "reward_weights": "rules", "advantage_estimator": "algorithms",
    "resume_from_checkpoint": "output_dir (run the same command again)",
}  # fmt: skip
"""Settings of single runs, and what a comparison has in their place."""

FORMS = {
    "train": Form(TRAINING, hidden=OF_TRAINING, launches=True),
    "check": Form(
        (*TRAINING, CheckArguments),
        hidden=OF_TRAINING,
        about="Generates a few batches with the initial policy, leaves it as it is, and says what stands out: rewards "
        "that give no gradient, objectives that oppose each other, truncated completions, bounds, and what each rule's "
        "measurements cost.",
    ),
    "evaluate": Form(
        (*TRAINING, EvaluateArguments),
        words="CHECKPOINT|RUN",
        least_words=1,
        lacking="which checkpoint or run? `paretune evaluate CHECKPOINT|RUN [--task T] [--split test]`",
        no_folder="there is no checkpoint folder {}.",
        hidden=OF_TRAINING,
    ),
    "compare": Form((CompareArguments, CONFIG, MODEL), hidden=OF_RUNS),
    "divergence": Form(
        (DivergenceArguments,),
        words="RUN RUN ...",
        least_words=2,
        several=True,
        lacking="which runs? `paretune divergence RUN RUN [RUN ...]`: first the folders, two or more.",
    ),
    "steer": Form(
        (SteerArguments,),
        words="RUN|POLICY",
        least_words=1,
        lacking="which run? `paretune steer RUN --priorities accuracy=0.7,clarity=0.3 [--prompt TEXT]`",
        no_folder="there is no folder {} of a run or a policy.",
        about="Shows the answers of a policy that was trained with --rule steerable, side by side at the corners, at "
        "the centre and at the priorities that you ask for. Objectives that you leave out get the priority 0.",
    ),
    "report": Form(
        (ReportArguments,),
        words="DIR",
        least_words=1,
        lacking="which folder? `paretune report DIR [--figures DIR] [--format pdf]`",
        no_folder="{} is no folder: give that of a run or of a comparison.",
    ),
}
"""By command. Those that are not here read their command lines themselves."""
