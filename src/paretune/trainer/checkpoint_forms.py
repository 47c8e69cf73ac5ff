"""Whether a run can take up what a checkpoint holds, checked before anything of the run's record is changed.

Hugging Face takes whatever is in its trainer_state.json; a null there ends a run many steps later.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import OutOfMemoryError
from transformers import TrainerState
from transformers.trainer_callback import ExportableState

from paretune.record.checkpoints import STATE_FILE
from paretune.record.entries import Batch
from paretune.record.fields import Fields, finite, shown
from paretune.record.json_files import read_json
from paretune.record.parsing import RecordError
from paretune.trainer.checkpoints import ADVICE, BrokenCheckpointError, reading


@contextmanager
def loading(checkpoint: str | Path, advice: str = ADVICE) -> Iterator[None]:
    """Load files of a checkpoint inside.

    Raises:
        BrokenCheckpointError: in place of whatever the reader of a damaged file raises.
    """
    try:
        yield
    except (BrokenCheckpointError, MemoryError, OutOfMemoryError):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        reason = f"{type(error).__name__}: {lines[0]}".removesuffix(": ")
        if type(error).__name__ == "UnpicklingError":  # of torch.load, which transformers lets read tensors alone
            reason = "a file of it is damaged, or a pickle of more than tensors, which is not read"
        raise BrokenCheckpointError(f"{checkpoint} cannot be loaded ({reason}): {advice}") from error


def check_state(checkpoint: Path, state: Mapping[str, Any], count: int) -> None:
    """Check the parts of paretune.json that are not the affair of the rule, the objectives and the archives.

    Args:
        checkpoint: whose it is.
        state: its content.
        count: objectives of the run.

    Raises:
        BrokenCheckpointError: if a part is of another kind than a run writes.
    """
    fields = Fields(state, repr(str(checkpoint / STATE_FILE)))
    with reading():
        for key in ("batch", "tokens"):
            fields.need(key, fields.count(key))
        for key in ("rule", "objectives", "archives"):
            fields.need(key, fields.mapping(key) if state.get(key) is not None else None)
        for name, of in fields.mapping("objectives").items():
            if not isinstance(of, dict):
                fields.refuse(f"objectives must hold an object for {name}, got {shown(of)}")
        fields.need("weights", state.get("weights"))
        _check_numbers(fields, "weights", count, finite)
        if state.get("realised") is not None:
            _check_numbers(fields, "realised", count, _real)
        for key in ("latest", "evaluation"):
            of = fields.inside(key)
            if state.get(key) is not None:
                of.need("step", of.count("step"))
                of.need("samples", of.count("samples"))
                _check_numbers(of, "metrics", count, _real)
                _check_numbers(of, "standard_error", count, _real)
        for line in fields.each("unfinished"):
            batch = Batch.of(line)
            line.need("batch", batch.batch)


def check_trainer_state(checkpoint: Path, own: Sequence[Any]) -> None:
    """Check that Hugging Face's trainer_state.json is one that training can go on from.

    Args:
        checkpoint: whose it is.
        own: the run's callbacks and its control, which take up what the file says of them.

    Raises:
        BrokenCheckpointError: if it is not.
    """
    path = checkpoint / "trainer_state.json"
    with reading():
        fields = Fields(read_json(path), repr(str(path)))
        known = [field.name for field in dataclasses.fields(TrainerState)]
        fields.know(known)
        for name in known:
            if name not in fields.content:
                raise RecordError(f"{fields.where} lacks {name!r}.")
        step = fields.need("global_step", fields.count("global_step"))
        for key in ("max_steps", "num_train_epochs", "num_input_tokens_seen", "train_batch_size"):
            fields.need(key, fields.count(key))
        for key in ("logging_steps", "eval_steps", "save_steps"):
            if fields.need(key, fields.number(key)) <= 0:
                fields.refuse(f"{key} must be above 0, got {shown(fields.content[key])}")
        fields.need("total_flos", fields.number("total_flos"))
        # Each epoch that is done is gone over again, and none has less than a step.
        if not 0 <= fields.need("epoch", fields.number("epoch")) <= step:
            fields.refuse(f"epoch must be 0 to {step}, the steps, got {shown(fields.content['epoch'])}")
        if fields.content["best_metric"] is not None and _real(fields.content["best_metric"]) is None:
            fields.number("best_metric")
        fields.count("best_global_step")
        for key in ("best_model_checkpoint", "trial_name"):
            fields.text(key)
        for key in ("is_local_process_zero", "is_world_process_zero", "is_hyper_param_search"):
            fields.need(key, fields.flag(key))
        fields.mapping("trial_params")
        fields.need("log_history", fields.content["log_history"])
        fields.each("log_history")
        fields.need("stateful_callbacks", fields.content["stateful_callbacks"])
        _check_callbacks(fields.inside("stateful_callbacks"), own)


def check_like(value: Any, like: Any, where: str) -> None:
    """Check that a value has the form of another one: a number where that has a number, and so on inside.

    Where the other one is None it does not tell what may come, nor does a list of its items.

    Raises:
        BrokenCheckpointError: if it has not; the message begins with `where`.
    """
    kinds: tuple[tuple[type | tuple[type, ...], str, Callable[[Any], bool]], ...] = (
        (bool, "true or false", lambda given: isinstance(given, bool)),
        ((int, float), "a number", lambda given: _real(given) is not None),
        (str, "a text", lambda given: isinstance(given, str)),
        ((list, tuple), "a list", lambda given: isinstance(given, list | tuple)),
        (Mapping, "an object", lambda given: isinstance(given, dict)),
    )
    for kind, expected, fits in kinds:
        if isinstance(like, kind):
            if not fits(value):
                raise BrokenCheckpointError(f"{where} must be {expected}, got {shown(value)}: {ADVICE}")
            break
    if isinstance(like, Mapping):
        for key in like.keys() & value.keys():
            check_like(value[key], like[key], f"{where}, {key}")


def savable(state: Mapping[str, Any], whose: str, fault: type[ValueError]) -> Mapping[str, Any]:
    """The state that an objective or a rule has to keep, as it is.

    Raises:
        ValueError: of the type `fault`, if no checkpoint can hold the state; the message names whose it is.
    """
    try:
        json.dumps(state)
    except (TypeError, ValueError) as error:
        raise fault(f"The `state_dict` of {whose} must hold plain JSON values only: {error}.") from error
    return state


def _check_callbacks(stored: Fields, own: Sequence[Any]) -> None:
    exportable = [one for one in own if isinstance(one, ExportableState)]
    for name in {type(one).__name__ for one in exportable}:
        of = stored.need(name, stored.content.get(name))  # without it the next checkpoint could not be written
        fresh = [one.state() for one in exportable if type(one).__name__ == name]
        for data, like in zip(of if isinstance(of, list) else [of], fresh, strict=False):
            where = f"{stored.where}, {name}"
            check_like(data, {"args": {}, "attributes": {}}, where)
            unknown = data.get("args", {}).keys() - like["args"].keys()
            if unknown:
                raise RecordError(f"{where} has {min(unknown)!r:.40}, which {name} does not take.")
            check_like(data, like, where)


def _check_numbers(fields: Fields, key: str, count: int, of: Callable[[Any], float | None]) -> None:
    found = fields.sequence(key)
    if len(found) != count or any(of(value) is None for value in found):
        fields.refuse(f"{key} must be {count} numbers, one for each objective, got {found!r:.60}")


def _real(value: Any) -> float | None:
    """A number that floating point has, NaN and infinity among them."""
    if isinstance(value, float) and not math.isfinite(value):
        return value
    return finite(value)
