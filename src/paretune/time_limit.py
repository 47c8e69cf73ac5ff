"""Time limits for other people's functions, which run in the main thread as they do without a limit."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

AGAIN = 1.0
"""Seconds between two interruptions of a function that goes on after the first: its time to clean up."""

INTERVAL = 0.2
"""Seconds between two looks at the clock: of time for a call that waits, of computing time for one that computes."""


class TimeLimitError(BaseException):
    """The time is up. No ``Exception``, so that a function that catches those does not carry on."""


def can_be_limited() -> bool:
    """Whether a function that is called here can be interrupted (:func:`check_time_limits`)."""
    known = hasattr(signal, "SIGVTALRM") and hasattr(signal, "pthread_kill")
    return known and threading.current_thread() is threading.main_thread()


def check_time_limits() -> None:
    """Check that a function can be interrupted here.

    Raises:
        ValueError: if the platform lacks the signal for it, or this is not the main thread, which alone hears it.
    """
    if not (hasattr(signal, "SIGVTALRM") and hasattr(signal, "pthread_kill")):
        raise ValueError("`reward_timeout` is set, but this platform has no SIGVTALRM to keep it with: leave it out.")
    if threading.current_thread() is not threading.main_thread():
        raise ValueError(
            "`reward_timeout` is set, but only functions in the main thread can be interrupted: train in the main "
            "thread, or leave it out."
        )


def call_within(seconds: float | None, call: Callable[[], T]) -> T:
    """Call a function, and interrupt it when its time is up.

    SIGVTALRM raises :class:`TimeLimitError` in it, and again every second until it ends. Two things send the signal: a
    thread, which ends a call that waits (sleep, a socket, a lock, a child process) or runs Python; and a timer of
    computing time, which ends C code that keeps the thread from running but looks for signals, such as a regular
    expression that backtracks for ever. SIGALRM stays free, for math-verify has its own use for it.
    A limit may lie within another one, which is kept as well.

    C code that neither returns to Python nor looks for signals (a large matrix product, a power of large integers) is
    interrupted only when it returns. Threads and processes that the function has started go on.

    Args:
        seconds: the limit, or None for none.
        call: the function, without arguments.

    Returns:
        What the function returns.

    Raises:
        TimeLimitError: if it took longer, even if it has caught the interruption.
        ValueError: where a limit cannot be kept (:func:`check_time_limits`).
    """
    if seconds is None:
        return call()
    check_time_limits()
    alarm = _Alarm(seconds)
    try:
        try:
            alarm.start()
            result = call()
        finally:
            alarm.is_silent = True
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if alarm.has_rung and not isinstance(error, TimeLimitError):
            raise TimeLimitError from error
        raise
    finally:
        alarm.remove()
    if alarm.has_rung:
        raise TimeLimitError
    return result


class _Alarm:
    """Raises :class:`TimeLimitError` in the main thread.

    No context manager: the alarm may ring in Python's own code around one, which would then not be left in order.
    """

    def __init__(self, seconds: float) -> None:
        self.is_silent = False
        self.has_rung = False
        self._seconds = seconds
        self._next = time.monotonic() + seconds
        self._removed = threading.Event()
        self._thread = threading.Thread(target=self._keep_ringing, name="paretune-time-limit", daemon=True)
        self._timer = (0.0, 0.0)
        self._handler = signal.signal(signal.SIGVTALRM, self._ring)

    def start(self) -> None:
        interval = min(self._seconds, INTERVAL)
        self._timer = signal.setitimer(signal.ITIMER_VIRTUAL, interval, interval)
        self._thread.start()

    def remove(self) -> None:
        """Leave timer and handler as they were."""
        self.is_silent = True
        self._removed.set()
        if self._thread.ident is not None:
            self._thread.join()
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, signal.SIG_IGN)  # discards one under way, which might end the process
        # None stands for a handler that was not installed from Python.
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL if self._handler is None else self._handler)
        signal.setitimer(signal.ITIMER_VIRTUAL, *self._timer)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        outer = getattr(self._handler, "__self__", None)
        if isinstance(outer, _Alarm):
            outer._ring(number, frame)
        now = time.monotonic()
        if not self.is_silent and now >= self._next:
            # Once may not be enough: from a destructor or the garbage collector Python lets no exception out.
            self._next = now + AGAIN
            self.has_rung = True
            raise TimeLimitError

    def _keep_ringing(self) -> None:
        main = threading.main_thread().ident
        assert main is not None
        wait = self._seconds
        while not self._removed.wait(min(wait, threading.TIMEOUT_MAX)):
            signal.pthread_kill(main, signal.SIGVTALRM)
            wait = INTERVAL


async def await_within(seconds: float | None, coroutine: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine, and cancel it when its time is up, without waiting for it to take note.

    A coroutine that keeps the event loop busy or blocked (``time.sleep`` instead of ``asyncio.sleep``) cannot be
    interrupted.

    Args:
        seconds: the limit, or None for none.
        coroutine: what to await.

    Returns:
        The coroutine's result.

    Raises:
        TimeLimitError: if it took longer.
    """
    task = asyncio.ensure_future(coroutine)
    try:
        finished, _ = await asyncio.wait({task}, timeout=seconds)
        if not finished:
            raise TimeLimitError
        return task.result()
    finally:
        task.cancel()
