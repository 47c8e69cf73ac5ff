"""A rule's state in the checkpoints of a Hugging Face trainer, whichever library has derived it."""

from pathlib import Path
from typing import Any

from paretune.integrations.core import Weigher


class KeepsRule:
    """Mixed into a ``transformers.Trainer``: a checkpoint holds the rule's state, and a resumed training takes it up.

    Attributes:
        weigher: the rule at work.
    """

    args: Any
    state: Any
    weigher: Weigher
    _get_learning_rate: Any
    _get_output_dir: Any

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)  # type: ignore[misc]
        if self.args.should_save:
            self.weigher.save(Path(self._get_output_dir(trial=trial)) / f"checkpoint-{self.state.global_step}")

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)  # type: ignore[misc]
        if checkpoint is not None:
            self.weigher.load(checkpoint)

    def _moment(self) -> dict[str, Any]:
        """When a batch is weighed, as :meth:`Weigher.weigh` takes it."""
        return {
            "step": self.state.global_step,
            "max_steps": self.state.max_steps,
            "learning_rate": self._get_learning_rate(),
        }
