"""The TRL trainer, its settings, evaluation and saved state."""

from paretune.trainer.config import MultiObjectiveConfig
from paretune.trainer.schedule_callback import ScheduledWeightsCallback
from paretune.trainer.trainer import MultiObjectiveTrainer

__all__ = ["MultiObjectiveConfig", "MultiObjectiveTrainer", "ScheduledWeightsCallback"]
