"""``paretune train``: train a policy against several rewards."""

import logging
import sys
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import datasets
import transformers
from transformers import PrinterCallback, ProgressCallback
from trl import ModelConfig, get_peft_config, get_quantization_config

from paretune.cli.bad_input import BadInputError
from paretune.cli.launch import is_worker, launch, split_launch_flags
from paretune.cli.progress import Progress
from paretune.cli.settings import Settings, make_parser, make_rule, parse
from paretune.cli.summary import print_summary
from paretune.experiments.record import RunInUseError
from paretune.objectives import RewardError
from paretune.report import write_report
from paretune.trainer import MultiObjectiveConfig, MultiObjectiveTrainer
from paretune.trainer.checkpoints import checkpoints
from paretune.weighting import WeightingRule

PROG = "paretune train"


def run(argv: list[str]) -> int:
    """Train, and write the report; the exit status."""
    parser = make_parser(PROG)
    if "-h" in argv or "--help" in argv:
        parser.print_help()
        return 0
    quiet()
    launch_flags, argv = split_launch_flags(argv, parser.flags)
    if parser.given(argv, "output_dir") is None:
        argv = [*argv, "--output_dir", _new_folder(argv)]
    settings = parse(argv, prog=PROG, defaults={"save_strategy": "steps", "disable_tqdm": True})
    rule = make_rule(settings.run, settings.task)
    checkpoint = check_output_dir(settings.config.output_dir, resume=settings.run.resume)
    if launch_flags and not is_worker():
        return launch(launch_flags, ["train", *argv])
    trainer = make_trainer(settings, rule)
    train(trainer, checkpoint)
    if trainer.is_world_process_zero():
        print_summary(settings.config.output_dir)
        print(f"report: {write_report(settings.config.output_dir).path}")
    return 0


def train(trainer: MultiObjectiveTrainer, checkpoint: Path | None = None) -> None:
    """Train with the progress on the screen, from a checkpoint or from the start.

    Raises:
        BadInputError: if the folder is taken, or a reward function gives something else than rewards.
    """
    trainer.add_callback(Progress(trainer.reward_func_names))
    try:
        trainer.train(None if checkpoint is None else str(checkpoint))
    except (FileExistsError, RunInUseError, RewardError) as error:
        raise BadInputError(error) from error
    except KeyboardInterrupt:
        if trainer.is_world_process_zero():
            print(_how_to_go_on(trainer.args.output_dir), file=sys.stderr)
        raise


def _how_to_go_on(directory: str) -> str:
    found = checkpoints(directory)
    if not found:
        return f"paretune: interrupted before the first checkpoint; what there is stands in {directory}."
    return f"paretune: interrupted after {found[max(found)].name}; the same command with --resume goes on from there."


def make_trainer(settings: Settings, rule: WeightingRule) -> MultiObjectiveTrainer:
    """The trainer that the settings describe.

    Raises:
        BadInputError: if rule, model and settings do not fit together.
    """
    config, model, task = settings.config, settings.model, settings.task
    config.model_init_kwargs = {**_model_init(model, config), **(config.model_init_kwargs or {})}
    try:
        trainer = MultiObjectiveTrainer(
            model.model_name_or_path,
            task.objectives,
            config,
            task.train,
            task.validation,
            weighting=rule,
            task=task.name,
            task_details={**task.details, **({"data": settings.run.data} if settings.run.data else {})},
            peft_config=get_peft_config(model),
            quantization_config=get_quantization_config(model),
        )
    except (ValueError, OSError) as error:
        raise BadInputError(error) from error
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    return trainer


def check_output_dir(directory: str | Path, *, resume: bool) -> Path | None:
    """The checkpoint to go on from, or None for a new run.

    Raises:
        BadInputError: if a new run would go where one is, or there is nothing to resume.
    """
    found = checkpoints(directory)
    if resume:
        if not found:
            raise BadInputError(f"--resume: {directory} holds no checkpoint; leave --resume out to start there.")
        return found[max(found)]
    if found or (Path(directory) / "run.json").exists():
        raise BadInputError(f"--output_dir {directory} already holds a run: choose another folder, or add --resume.")
    if Path(directory).exists() and not Path(directory).is_dir():
        raise BadInputError(f"--output_dir {directory} is a file: choose a folder.")
    return None


def _new_folder(argv: Sequence[str]) -> str:
    parser = make_parser(PROG)
    task, rule = parser.given(argv, "task") or "arithmetic", parser.given(argv, "rule") or "gradient"
    return str(Path("runs") / f"{task}-{rule}-{datetime.now():%Y%m%d-%H%M%S}")


def _model_init(model: ModelConfig, config: MultiObjectiveConfig) -> dict[str, object]:
    return {
        "revision": model.model_revision,
        "attn_implementation": model.attn_implementation,
        "dtype": model.dtype,
        "trust_remote_code": config.trust_remote_code,
    }


def quiet() -> None:
    """Leave the screen to the progress display; what is worth a warning still shows, a line each."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    for library in ("trl", "huggingface_hub"):
        logging.getLogger(library).setLevel(logging.ERROR)
    for category in (FutureWarning, DeprecationWarning):
        warnings.filterwarnings("ignore", category=category)
    warnings.filterwarnings("ignore", module="torch")
    warnings.showwarning = lambda message, *_: print(f"paretune: {message}", file=sys.stderr)
