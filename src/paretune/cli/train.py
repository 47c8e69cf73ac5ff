"""``paretune train``: train a policy against several rewards."""

import logging
import os
import re
import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import datasets
import transformers
from transformers import PrinterCallback, ProgressCallback
from trl import get_peft_config, get_quantization_config

from paretune.cli.arguments import RunArguments
from paretune.cli.bad_input import BadInputError
from paretune.cli.command_line import CommandLine
from paretune.cli.failure import FailedError
from paretune.cli.known_front import KeepKnownFront, known_front
from paretune.cli.launch import is_worker, launch
from paretune.cli.model import model_settings
from paretune.cli.parser import RESUME, StrictParser
from paretune.cli.progress import Progress
from paretune.cli.ready import check_ready
from paretune.cli.rule_settings import FLAGS
from paretune.cli.settings import Settings, resolve, resumes
from paretune.cli.summary import print_summary
from paretune.cli.task_source import warn_of_changes
from paretune.objectives import RewardError
from paretune.record.checkpoints import checkpoints
from paretune.record.directory_lock import RunInUseError, is_in_use
from paretune.record.disk import check_writable
from paretune.record.entries import Header
from paretune.record.parsing import RecordError
from paretune.record.reader import RunReader
from paretune.record.resumption import OtherRunError, check_resumable
from paretune.record.run_directory import REPORT, holds_run
from paretune.report import write_report
from paretune.report.again import obstacle_of, recorded_settings
from paretune.tasks.source import NAMED_BY
from paretune.trainer import MultiObjectiveConfig, MultiObjectiveTrainer
from paretune.trainer.checkpoints import BrokenCheckpointError, ResumePoint, resume_point
from paretune.trainer.output_dir import is_complete
from paretune.weighting import RuleError, WeightingRule

NOT_OURS = (
    FileExistsError, RunInUseError, OtherRunError, RecordError, RewardError, RuleError, BrokenCheckpointError
)  # fmt: skip
"""What ends a training that the user has to mend."""
OF_RULE = ("rule", "weights", "preset", "rule_settings", *FLAGS)
"""The settings that say which rule it is and what it is told."""
DEFAULTS = {"save_strategy": "steps", "disable_tqdm": True}


def run(line: CommandLine) -> int:
    """Train; the exit status. A finished run that is resumed gets its report again."""
    quiet()
    given = line.given
    if "output_dir" not in given:
        given["output_dir"] = _folder(given)
    if not given["output_dir"].strip():
        raise BadInputError("--output_dir is empty: give a folder.")
    before = _resumed(given)
    told = {} if before is None else recorded(line.parser, before, given)
    settings = resolve(line.parser, {**told, **given}, DEFAULTS)
    if before is not None and before.source is not None:  # the record keeps what the command said that began the run
        settings = replace(settings, source=replace(settings.source, given=before.source.given))
    if evaluates(settings.config, settings.rule):
        settings.rows("validation")
    check_ready(settings)
    directory = settings.config.output_dir
    overwrite = settings.config.overwrite_output_dir
    start = check_output_dir(directory, resume=settings.resume, overwrite=overwrite)
    if start is not None and not is_worker() and is_complete(settings.config):
        print(f"the run in {directory} is finished after {start.step} steps: give it more --max_steps to train on.")
        if settings.config.write_report:
            write_report(directory)
        _show(directory)
        return 0
    if line.launch and not is_worker():
        return launch(line.launch, ["train", *line.argv, "--output_dir", given["output_dir"]])
    front = known_front(settings, "validation")
    trainer = make_trainer(settings)
    trainer.add_callback(KeepKnownFront(front))
    if start is not None and start.checkpoint is None and trainer.is_world_process_zero():
        print(f"the run in {directory} has no whole checkpoint yet: it begins again.")
    train(trainer, resume=settings.resume)
    if trainer.is_world_process_zero():
        _show(directory)
    return 0


def train(trainer: MultiObjectiveTrainer, *, resume: str | bool = False) -> None:
    """Train with the progress on the screen, from the start or a checkpoint (:attr:`Settings.resume`).

    Raises:
        BadInputError: if the folder is taken, the checkpoint there is broken, or a reward function or the rule gives
            something else than it must.
        FailedError: if the disk fails, or the gradient is not finite step after step.
    """
    trainer.add_callback(Progress(trainer.reward_func_names))
    try:
        trainer.train(resume)
    except NOT_OURS as error:
        raise BadInputError(error) from error
    except (OSError, FloatingPointError) as error:
        raise FailedError(error) from error
    except KeyboardInterrupt:
        if trainer.is_world_process_zero():
            print(_how_to_go_on(trainer.args.output_dir), file=sys.stderr)
        raise


def _how_to_go_on(directory: str) -> str:
    found = checkpoints(directory)
    if not found:
        return "paretune: interrupted before the first checkpoint; the same command with --resume begins again."
    return f"paretune: interrupted after {found[max(found)].name}; the same command with --resume goes on from there."


def make_trainer(settings: Settings) -> MultiObjectiveTrainer:
    """The trainer that the settings describe.

    Raises:
        BadInputError: if rule, model and settings do not fit together.
    """
    config, model, task = settings.config, settings.model, settings.task
    source = settings.record()
    config.model_init_kwargs = model_settings(model, config)
    try:
        trainer = MultiObjectiveTrainer(
            model.model_name_or_path,
            task.objectives,
            config,
            task.train,
            task.validation,
            weighting=settings.rule,
            task=task.name,
            task_details=task.details,
            source=source,
            peft_config=get_peft_config(model),
            quantization_config=get_quantization_config(model),
        )
    except (ValueError, OSError, ImportError, RunInUseError) as error:
        raise BadInputError(error) from error
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    return trainer


def check_output_dir(directory: str | Path, *, resume: str | bool, overwrite: bool = False) -> ResumePoint | None:
    """Where the run goes on, or None for a new one. Nothing is changed, and nothing left.

    Raises:
        BadInputError: if the folder cannot be written, a new run would go where one is, or the one there cannot be
            resumed: there is none, it still runs, or its files are broken.
    """
    try:
        if os.path.isfile(directory):
            raise BadInputError(f"--output_dir {directory} is a file: choose a folder.")
        check_writable(directory)
        if resume:
            return _start(directory, resume)
        if holds_run(directory) and not overwrite:
            raise BadInputError(
                f"--output_dir {directory} already holds a run: choose another folder, add --resume to go on with it, "
                "or --overwrite_output_dir to delete it."
            )
    except (OSError, ValueError) as error:
        raise BadInputError(error) from error
    return None


def _start(directory: str | Path, resume: str | bool) -> ResumePoint:
    if isinstance(resume, str) and not Path(resume).is_dir():
        raise BadInputError(f"--resume {resume} is no folder: give a checkpoint, or no value for the newest.")
    if isinstance(resume, str) and holds_run(resume):
        raise BadInputError(f"--resume {resume} is a run, not a checkpoint: give --resume --output_dir {resume}.")
    if not holds_run(directory):
        raise BadInputError(f"--resume: {directory} holds no checkpoint and no run; leave --resume out to start one.")
    # Started by a launcher, the first of the processes may be writing there by now.
    if not is_worker() and is_in_use(directory):
        raise BadInputError(f"--resume: the run in {directory} is still running; wait for its end, or end it.")
    start = resume_point(directory, resume)
    check_resumable(directory, start.step, start.lines)
    if not is_worker():
        warn_of_changes(RunReader(directory).header.source, directory)
    return start


def _show(directory: str | Path) -> None:
    try:
        print_summary(directory)
    except RecordError as error:  # of a run that was finished before, and edited
        raise BadInputError(error) from error
    if (Path(directory) / REPORT).exists():
        print(f"report: {Path(directory) / REPORT}")


def _folder(given: Mapping[str, Any]) -> str:
    """Where a run goes that was told no folder: where the checkpoint lies that it goes on from, else into a new one."""
    checkpoint = resumes(given.get(RESUME))
    if isinstance(checkpoint, str):
        return str(Path(checkpoint).parent)
    named = [given.get("task") or given.get("dataset_name") or "arithmetic", given.get("rule") or RunArguments.rule]
    task, rule = (re.sub(r"[^\w.+-]+", "-", Path(name).name).strip("-.") for name in named)
    return str(Path("runs") / f"{task}-{rule}-{datetime.now():%Y%m%d-%H%M%S}")


def _resumed(given: Mapping[str, Any]) -> Header | None:
    """The record of the run that goes on, unless it names no task, or the command names one and so is whole."""
    if not resumes(given.get(RESUME)) or given.keys() & set(NAMED_BY):
        return None
    try:
        header = RunReader(given["output_dir"]).header
    except (OSError, RecordError):  # of which more is said where the run is resumed
        return None
    return None if obstacle_of(header) is not None or "source" not in header.content else header


def recorded(parser: StrictParser, header: Header, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the run that goes on, by its record.

    What the command says of the rule stands in place of all that the record says of the rule's settings.
    """
    found = parser.take(recorded_settings(header), f"{given['output_dir']}/run.json")
    if given.keys() & set(OF_RULE):
        found.pop("rule_settings", None)
    for settings in (found, found.get("model_init_kwargs") or {}):
        settings.pop("trust_remote_code", None)  # which is for the user to say
    return found


def evaluates(config: MultiObjectiveConfig, rule: WeightingRule) -> bool:
    """Whether a training evaluates the policy: on its grid, before it, or where the rule asks for it."""
    return config.eval_strategy != "no" or config.eval_on_start or rule.measurements().evaluation == "validation"


def quiet() -> None:
    """Leave the screen to the progress display; what is worth a warning still shows, a line each."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)  # what it cannot read is said in a line
    for library in ("trl", "huggingface_hub"):
        logging.getLogger(library).setLevel(logging.ERROR)
    for category in (FutureWarning, DeprecationWarning):
        warnings.filterwarnings("ignore", category=category)
    warnings.filterwarnings("ignore", module="torch")
    warnings.showwarning = lambda message, *_: print(f"paretune: {message}", file=sys.stderr)
