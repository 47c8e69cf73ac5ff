"""The paper's conciseness: shorter than the mean so far (Lu et al., arXiv 2509.11452)."""

from collections.abc import Mapping, Sequence
from typing import Any


class Conciseness:
    """The paper's conciseness: 1 for a completion shorter than the mean of all seen in training so far, else 0.

    The mean runs over every completion that :meth:`observe` was shown, the batch being scored among them. Before
    the first one the reward does not apply (None).
    """

    def __init__(self) -> None:
        self.total = 0.0
        self.count = 0

    def __call__(self, completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float | None]:
        """Score N completions, given as token ids: 0.0, 1.0 or None."""
        if not self.count:
            return [None] * len(completion_ids)
        mean = self.total / self.count
        return [float(len(ids) < mean) for ids in completion_ids]

    def observe(self, lengths: Sequence[int]) -> None:
        """Add a training batch to the mean.

        Args:
            lengths: ``[N]`` completion lengths in tokens.
        """
        self.total += float(sum(lengths))
        self.count += len(lengths)

    def state_dict(self) -> dict[str, Any]:
        """The sum and the number of the lengths seen."""
        return {"total": self.total, "count": self.count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that :meth:`state_dict` gave.

        Raises:
            ValueError: if it is no sum and number of lengths.
        """
        total, count = float(state["total"]), int(state["count"])
        if not (0 <= total < float("inf") and count >= 0):
            raise ValueError(f"a sum of {total} over {count} lengths cannot be")
        self.total, self.count = total, count

    def __repr__(self) -> str:
        return "Conciseness()"


def completion_length(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
    """The length of each of N completions in tokens: the metric of conciseness, to be minimised."""
    return [float(len(ids)) for ids in completion_ids]
