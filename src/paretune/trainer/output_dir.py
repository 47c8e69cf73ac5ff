"""Whether a training can begin, or go on, in its output directory."""

import warnings
from pathlib import Path

from paretune.record.checkpoints import checkpoint_folders, checkpoints
from paretune.record.directory_lock import RunInUseError, is_in_use
from paretune.record.run_directory import holds_run, read_run
from paretune.trainer.config import MultiObjectiveConfig

_ANEW = "set `overwrite_output_dir=True` to delete it and begin anew"
_ELSEWHERE = "give another `output_dir`"


def check_output_dir(args: MultiObjectiveConfig) -> None:
    """Refuse a directory in which no training can begin and none go on, before a model is loaded for it.

    A run that can be resumed passes: only ``train`` is told whether it is to be. Where resuming it would do nothing, a
    warning says so. Nothing is changed.

    Raises:
        FileExistsError: if there is a finished run without a checkpoint, a broken one, or checkpoints of TRL's alone.
        RunInUseError: if another run is writing there.
    """
    directory = Path(args.output_dir)
    if is_in_use(directory):
        raise RunInUseError(f"{str(directory)!r} is in use by another run: wait for its end, or {_ELSEWHERE}.")
    if args.overwrite_output_dir or not holds_run(directory):
        return
    try:
        read_run(directory)
    except FileNotFoundError:
        there = list(checkpoint_folders(directory).values())
        what = f"checkpoints without paretune's record ({there[-1].name})" if there else "a run without its run.json"
        start = f", with {str(there[-1])!r} as the model to train that policy on" if there else ""
        raise FileExistsError(f"{str(directory)!r} holds {what}: {_ELSEWHERE}{start}, or {_ANEW}.") from None
    except ValueError as error:
        raise FileExistsError(f"{str(error).rstrip('.')}: put it right, {_ELSEWHERE}, or {_ANEW}.") from error
    if is_complete(args):
        told = f"{str(directory)!r} holds a run already, which is finished"
        if not checkpoints(directory):
            raise FileExistsError(f"{told}: {_ELSEWHERE}, or {_ANEW}.")
        warnings.warn(
            f"{told}: resumed, it has nothing to do, and train() will refuse to begin another. To train on, set a "
            f"larger `max_steps` and call train(resume_from_checkpoint=True); else {_ELSEWHERE}, or {_ANEW}.",
            stacklevel=4,
        )


def check_new_run(args: MultiObjectiveConfig) -> None:
    """Refuse to begin a run where one is already, unless it may be overwritten.

    Raises:
        FileExistsError: if there is one.
    """
    directory = Path(args.output_dir)
    if args.overwrite_output_dir or not holds_run(directory):
        return
    whole = checkpoints(directory)
    resume = f"go on from {whole[max(whole)].name} by train(resume_from_checkpoint=True), " if whole else ""
    raise FileExistsError(
        f"{str(directory)!r} holds a run already: {resume}{_ANEW}, or make a trainer with another `output_dir`."
    )


def is_complete(args: MultiObjectiveConfig) -> bool:
    """Whether the run in the output directory is finished and has made all the steps that are asked for.

    One without a checkpoint cannot make more. One whose length is asked for in epochs has made them if it was asked for
    as many.
    """
    run, whole = read_run(args.output_dir), checkpoints(args.output_dir)
    if run.get("status") != "finished" or not whole:
        return run.get("status") == "finished"
    length = args.max_steps
    if length <= 0:
        before = run.get("settings")
        epochs = before.get("num_train_epochs", 3.0) if isinstance(before, dict) else None
        length = run.get("max_steps") if epochs == args.num_train_epochs else None
    return isinstance(length, int) and max(whole) >= length
