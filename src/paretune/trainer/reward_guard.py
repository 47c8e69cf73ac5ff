"""What comes of a reward or metric function that misbehaves.

- It raises, returns something else than one number (or None) for each completion, returns an awaitable without being
  async, or takes longer than ``reward_timeout``: the run stops with a :class:`~paretune.objectives.RewardError`. Its
  one line names the objective, the function and, of several processes, the one where it happened; all end with it.
- None or NaN: the objective does not apply to the completion, as in TRL.
- A reward that is infinite or beyond ±1e16 would make variances overflow: the completion does not count, for any
  objective. Its advantage is 0, its group's baseline is that of the others. At weight 0 only the reward does not count.
- An infinite metric (in single precision) does not count in the mean.
- KeyboardInterrupt passes through. ``sys.exit()`` does not: a run that a reward function has ended is not done.

TRL runs the reward models. Of these checks they get only the one for values that overflow.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor
from trl.trainer.utils import get_callable_name, is_async_callable

from paretune.named_objects import reason_of
from paretune.objectives import Objective, RewardError
from paretune.objectives.reward_values import LARGEST, NoNumbersError, as_numbers, overflows
from paretune.time_limit import TimeLimitError, await_within, call_within, check_time_limits

T = TypeVar("T")


class RewardGuard:
    """Calls the functions of objectives, on one process of perhaps several.

    On several processes a fault does not raise where it happens, for the others wait there to gather rewards: NaNs
    stand in until all of them meet in :meth:`agree`.

    Args:
        timeout: seconds that one call may take, or None.
        accelerator: tells how many processes there are, and joins them.
    """

    def __init__(self, timeout: float | None, accelerator: Accelerator) -> None:
        self._timeout = timeout
        self._accelerator = accelerator
        self._fault: RewardError | None = None
        self._exit: BaseException | None = None  # of an async function, to pass through
        self._warned_of: set[str] = set()

    def around(self, function: Callable[..., Any], objective: str) -> Callable[..., Any]:
        """A reward function for TRL to call in the place of `function`, async if that is."""
        name = get_callable_name(function)
        subject = f"The reward function {name!r} of objective {objective!r}"

        async def guarded_async(**keywords: Any) -> list[float]:
            return await self._await(subject, function, keywords, len(keywords["prompts"]))

        def guarded(**keywords: Any) -> list[float]:
            return self._call(subject, function, keywords, len(keywords["prompts"]))

        made = guarded_async if is_async_callable(function) else guarded
        made.__name__ = name
        return made

    def observe(self, objective: Objective, lengths: Sequence[int]) -> None:
        """Show an objective's reward the lengths of a batch."""
        subject = f"`observe` of the reward of objective {objective.name!r}"
        self._attempt(subject, lambda: objective.observe(lengths), None)

    def metric(self, objective: Objective, keywords: Mapping[str, Any], count: int) -> Tensor:
        """An objective's own metric of `count` completions, float64; NaN where it does not apply or is infinite."""
        assert objective.metric is not None
        subject = f"The metric {get_callable_name(objective.metric)!r} of objective {objective.name!r}"
        values = torch.tensor(self._call(subject, objective.metric, keywords, count), dtype=torch.float64)
        infinite = values.float().isinf()
        if infinite.any():
            self._warn_once(
                f"{subject} is infinite for {int(infinite.sum())} of {count} completions: they do not count in its "
                "mean. (Said once.)",
                subject,
            )
        return values.masked_fill(infinite, torch.nan)

    def warn_of_overflow(self, rewards: Tensor, names: Sequence[str]) -> None:
        """Say of which objectives rewards overflow, once each.

        Args:
            rewards: ``[N, K]``, gathered over all processes.
            names: of the K objectives.
        """
        for name, column in zip(names, overflows(rewards).unbind(dim=1), strict=True):
            if column.any() and self._accelerator.is_main_process:
                self._warn_once(
                    f"The reward of objective {name!r} is infinite or beyond ±{LARGEST:g} for {int(column.sum())} of "
                    f"{len(rewards)} completions: they do not count, for any objective, unless the weight of {name!r} "
                    "is 0. (Said once.)",
                    f"reward {name}",
                )

    def agree(self) -> None:
        """Meet the other processes after all functions were called.

        Raises:
            RewardError: on all processes, if a function has failed on one of them.
        """
        if self._exit is not None:
            passed, self._exit = self._exit, None
            raise passed
        if self._accelerator.num_processes == 1:
            return
        fault, self._fault = self._fault, None
        failed = torch.tensor([int(fault is not None)], device=self._accelerator.device)
        if not self._accelerator.gather(failed).any():
            return
        lines = gather_object([None if fault is None else str(fault)])
        first = next(line for line in lines if line is not None)
        if fault is None or str(fault) != first:
            raise RewardError(first) from fault
        raise fault

    def _call(self, subject: str, function: Callable[..., Any], keywords: Mapping[str, Any], count: int) -> list[float]:
        return self._attempt(subject, lambda: as_numbers(function(**keywords), count), [math.nan] * count)

    def _attempt(self, subject: str, call: Callable[[], T], otherwise: T) -> T:
        """What the call returns; `otherwise` if it fails, or something has failed before."""
        if self._fault is not None:
            return otherwise
        if self._timeout is not None:
            check_time_limits()
        try:
            return call_within(self._timeout, call)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # math-verify's TimeoutException, for one, is no Exception
            self._note(subject, error)
            return otherwise

    async def _await(
        self, subject: str, function: Callable[..., Any], keywords: Mapping[str, Any], count: int
    ) -> list[float]:
        async def attempt() -> list[float] | BaseException:
            try:
                return as_numbers(await function(**keywords), count)
            except BaseException as error:  # out of a task, SystemExit would end the event loop, and TRL wait for ever
                return error

        if self._fault is None:
            outcome: list[float] | BaseException
            try:
                outcome = await await_within(self._timeout, attempt())
            except TimeLimitError as error:
                outcome = error
            if isinstance(outcome, list):
                return outcome
            if isinstance(outcome, KeyboardInterrupt):
                self._exit = outcome
            else:
                self._note(subject, outcome)
        return [math.nan] * count

    def _note(self, subject: str, error: BaseException) -> None:
        """Remember a fault until all processes meet; a single process raises it at once."""
        cause: BaseException | None = error
        if isinstance(error, NoNumbersError):
            line, cause = f"{subject} {error}", None
        elif isinstance(error, TimeLimitError):
            line = f"{subject} took longer than {self._timeout:g} s: mend it, or allow it more by `reward_timeout`."
        elif isinstance(error, SystemExit):
            line = f"{subject} called sys.exit({error.code!r}): let it return its values, or raise an error."
        else:
            line = f"{subject} raised {reason_of(error)}"
        processes = self._accelerator.num_processes
        if processes == 1:
            raise RewardError(line) from cause
        fault = RewardError(f"{line} (on rank {self._accelerator.process_index} of {processes})")
        fault.__cause__ = cause
        self._fault = fault

    def _warn_once(self, message: str, key: str) -> None:
        if key not in self._warned_of:
            self._warned_of.add(key)
            warnings.warn(message, stacklevel=2)
