"""What trackers (W&B, trackio, TensorBoard, …) learn of a run beside its scalars: the rule and its settings."""

from collections.abc import Iterable, Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

TOLD = ("task", "objectives", "algorithm")
"""Fields of run.json that join a tracker's config as they are."""


def config_of(header: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a run that join the trainer's settings in a tracker's config.

    Args:
        header: what stands in run.json.
    """
    rule = header["rule"]
    return {"rule": rule["name"], "rule_settings": rule["settings"], **{name: header[name] for name in TOLD}}


class TensorBoardHyperparameters(TrainerCallback):
    """Writes the rule and the settings that are not at their defaults as TensorBoard's hyperparameters.

    Other trackers have all settings in their config. TensorBoard has them as one text only, by which no runs compare.

    Args:
        header: what stands in run.json.
        callbacks: the trainer's, among them perhaps TensorBoard's.
    """

    def __init__(self, header: Mapping[str, Any], callbacks: Iterable[TrainerCallback]) -> None:
        self._header = header
        # Not the trainer's own list, which comes to hold this callback: the optimiser's state and the workers of data
        # loaders would then not end with the trainer, but with the next garbage collection.
        self._callbacks = tuple(callbacks)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Write them, once TensorBoard's own callback has opened its file."""
        writers = [writer for one in self._callbacks if (writer := getattr(one, "tb_writer", None)) is not None]
        if not writers:
            return
        from torch.utils.tensorboard.summary import hparams  # which needs TensorBoard

        header, objectives = self._header, self._header["objectives"]
        told = {**config_of(header), "model": header["model"], "seed": header["seed"], **header["settings"]}
        metrics = {f"eval/metrics/{objective['name']}": 0.0 for objective in objectives} | {"eval/hypervolume": 0.0}
        plain = {name: v if isinstance(v, bool | int | float | str) else str(v) for name, v in told.items()}
        for writer in writers:
            for summary in hparams(plain, metrics):
                writer.file_writer.add_summary(summary)
