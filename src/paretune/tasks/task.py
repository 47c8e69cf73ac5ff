"""What a task is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import ArrayLike, NDArray

    from paretune.objectives import Objective


@dataclass(frozen=True, eq=False)
class Task:
    """What a policy is trained for: prompts to answer and the objectives the answers are judged by.

    Attributes:
        name: its name in records and messages.
        train: prompts to train on. Each split has a column ``prompt`` (a string, or a list of chat
            messages); the other columns are handed to the rewards.
        validation: prompts on which the front is found; None where nothing can be evaluated.
        test: prompts kept for the final judgement; None as above.
        objectives: what is rewarded and measured, in the order weights are given.
        model: the default policy: a folder or a name on the Hub; None where there is none.
        mu: the regularisation μ > 0 of the gradient rule at its defaults, on the scale of the exact and the directional
            influence, unclipped and of all layers; None to calibrate it.
        settings: values of ``MultiObjectiveConfig``'s fields that suit the default model.
        description: one line for listings.
        front: the true front, where every answer to a prompt can be enumerated: a function of rows of a split and of
            weights ``[M, K]``, which gives ``[M, K]``, the gains (metrics on their bounds, more being better) that the
            best policy for each weighting has on these rows. None where it is not known.
        details: what a run's record has to say of how answers are judged: the sandbox in use, say.

    Raises:
        ValueError: if the name is empty, a split is no data set, is empty or has no prompts, an objective is none, two
            share a name, a gate names none, there are no objectives, the model is no text, settings or details are no
            mapping, or μ ≤ 0.
    """

    name: str
    train: Dataset
    validation: Dataset | None
    test: Dataset | None
    objectives: Sequence[Objective]
    _: KW_ONLY
    model: str | None = None
    mu: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    front: Callable[[Dataset, ArrayLike], NDArray[Any]] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Listing the tasks should not wait for torch.
        from paretune.objectives import Objective, check_objectives

        if not isinstance(self.name, str) or not self.name.strip():
            raise ValueError(f"`name` of a task must be a text that is not empty, got {self.name!r}.")
        for split in ("train", "validation", "test"):
            dataset = getattr(self, split)
            if dataset is not None or split == "train":
                self._check_split(split, dataset)
        for objective in self.objectives:
            if not isinstance(objective, Objective):
                raise ValueError(
                    f"Task {self.name!r} has {objective!r:.60} among its objectives: give paretune.Objective(name, "
                    "reward)."
                )
        try:
            check_objectives(self.objectives)
        except ValueError as error:
            raise ValueError(f"The objectives of task {self.name!r} do not fit together: {error}") from error
        if self.model is not None and not isinstance(self.model, str):
            raise ValueError(
                f"`model` of task {self.name!r} must be the text of a folder or a Hub name, got {self.model!r:.60}."
            )
        for name in ("settings", "details"):
            if not isinstance(value := getattr(self, name), Mapping):
                raise ValueError(f"`{name}` of task {self.name!r} must be a mapping, got {value!r:.60}.")
        if self.mu is not None and not self.mu > 0:
            raise ValueError(f"`mu` of task {self.name!r} must be positive, got {self.mu}.")

    def _check_split(self, split: str, dataset: Any) -> None:
        columns = getattr(dataset, "column_names", None)
        if not isinstance(columns, list) or not hasattr(dataset, "__len__"):
            raise ValueError(
                f"The {split} split of task {self.name!r} is of type {type(dataset).__name__}: give a "
                "datasets.Dataset, such as Dataset.from_list([{'prompt': ...}, ...])."
            )
        if len(dataset) == 0:
            raise ValueError(f"The {split} split of task {self.name!r} is empty: it needs at least one prompt.")
        if "prompt" not in columns:
            raise ValueError(
                f"The {split} split of task {self.name!r} has the columns {columns}: add a column 'prompt'."
            )
