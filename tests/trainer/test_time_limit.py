"""A function that does not come to an end is brought to one, and nothing is left behind."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from paretune.objectives import accuracy
from paretune.time_limit import TimeLimitError, await_within, call_within

LIMIT = 0.2
PATIENCE = 30  # seconds: the machine may be busy, and the alarm of a computation counts computing time


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    handler, threads = signal.getsignal(signal.SIGVTALRM), threading.active_count()
    yield
    assert signal.getsignal(signal.SIGVTALRM) == handler
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert threading.active_count() == threads


def sleep() -> None:
    time.sleep(600)


def wait_for_a_socket() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.recv(1)


def wait_for_a_process() -> None:
    subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"])


def wait_for_a_lock() -> None:
    threading.Event().wait()


def compute() -> None:
    while True:
        pass


def backtrack() -> None:
    re.match(r"(a+)+$", "a" * 40 + "b")


def catch_exceptions() -> None:
    while True:
        try:
            time.sleep(600)
        except Exception:
            continue


def run_an_event_loop() -> None:
    asyncio.run(asyncio.sleep(600))


def wait_for_a_thread_that_waits() -> None:
    release = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(release.wait).result()
        finally:
            release.set()


HANGING = [
    sleep, wait_for_a_socket, wait_for_a_process, wait_for_a_lock, compute, backtrack, catch_exceptions,
    run_an_event_loop, wait_for_a_thread_that_waits,
]  # fmt: skip


@pytest.mark.parametrize("hang", HANGING, ids=lambda f: f.__name__)
def test_what_hangs_is_interrupted(hang: Callable[[], None]) -> None:
    started = time.monotonic()
    with pytest.raises(TimeLimitError):
        call_within(LIMIT, hang)
    assert LIMIT <= time.monotonic() - started < PATIENCE


def test_what_ends_in_time_gives_its_result() -> None:
    assert call_within(PATIENCE, lambda: sum([1, 2])) == 3
    assert call_within(None, lambda: 4) == 4
    for _ in range(200):  # starting and stopping does not leave anything either
        call_within(PATIENCE, int)


@pytest.mark.parametrize("kind", [KeyError, KeyboardInterrupt, SystemExit])
def test_exceptions_pass(kind: type[BaseException]) -> None:
    def fail() -> None:
        raise kind("why")

    with pytest.raises(kind, match="why"):
        call_within(PATIENCE, fail)


def test_one_that_swallows_the_interruption_is_late_all_the_same() -> None:
    def stubborn() -> str:
        try:
            time.sleep(600)
        except BaseException:
            return "done"
        return "never"

    with pytest.raises(TimeLimitError):
        call_within(LIMIT, stubborn)


def test_one_that_makes_another_exception_of_it_is_late_all_the_same() -> None:
    def disguise() -> None:
        try:
            time.sleep(600)
        except BaseException as error:
            raise RuntimeError("the judge is down") from error

    with pytest.raises(TimeLimitError) as caught:
        call_within(LIMIT, disguise)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_it_rings_again_where_the_first_was_lost() -> None:
    def bury() -> None:
        try:
            time.sleep(600)
        except BaseException:
            time.sleep(600)

    with pytest.raises(TimeLimitError):
        call_within(LIMIT, bury)


def test_there_is_time_to_clean_up() -> None:
    cleaned = []

    def hang() -> None:
        try:
            time.sleep(600)
        finally:
            time.sleep(LIMIT)
            cleaned.append(True)

    with pytest.raises(TimeLimitError):
        call_within(LIMIT, hang)
    assert cleaned


def test_a_limit_that_ends_with_the_function_leaves_nothing() -> None:
    """The alarm rings about when the function returns: before, in between or after."""
    outcomes = []
    for i in range(150):
        try:
            outcomes.append(call_within(0.002, lambda i=i: time.sleep(0.0014 + i % 12 * 1e-4)))
        except TimeLimitError:
            outcomes.append("late")
    assert len(outcomes) == 150


@pytest.mark.parametrize("inner", [LIMIT, PATIENCE])
def test_a_limit_within_another_keeps_both(inner: float) -> None:
    def swallow() -> None:
        with suppress(TimeLimitError):
            call_within(inner, sleep)

    if inner == LIMIT:
        call_within(PATIENCE, swallow)
    else:
        with pytest.raises(TimeLimitError):
            call_within(LIMIT, swallow)


def test_handler_and_timer_of_others_are_given_back() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGVTALRM, lambda number, frame: heard.append(number))
    signal.setitimer(signal.ITIMER_VIRTUAL, 1000, 500)
    try:
        with pytest.raises(TimeLimitError):
            call_within(LIMIT, sleep)
        remaining, interval = signal.getitimer(signal.ITIMER_VIRTUAL)
        assert 900 < remaining < 1001  # the kernel rounds up
        assert interval == 500
        assert not heard
        signal.raise_signal(signal.SIGVTALRM)
        assert heard == [signal.SIGVTALRM]
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def test_math_verify_keeps_its_alarm() -> None:
    right = call_within(PATIENCE, lambda: accuracy(["\\boxed{\\frac{2}{4}}"], ["0.5"]))
    assert right == [1.0]
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_outside_the_main_thread_it_says_so() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(call_within, None, lambda: 1).result() == 1
        with pytest.raises(ValueError, match="only functions in the main thread can be interrupted"):
            pool.submit(call_within, 1.0, lambda: 1).result()


def test_where_there_is_no_such_signal_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as platform:
        platform.delattr(signal, "pthread_kill")
        with pytest.raises(ValueError, match="no SIGVTALRM to keep it with"):
            call_within(1.0, int)


# --- coroutines -------------------------------------------------------------------------------------------


async def sleep_well() -> None:
    await asyncio.sleep(600)


async def sleep_through_a_cancellation() -> None:
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        await asyncio.sleep(600)


@pytest.mark.parametrize("hang", [sleep_well, sleep_through_a_cancellation], ids=lambda f: f.__name__)
def test_a_coroutine_that_hangs_is_given_up(hang: Callable[[], Any]) -> None:
    async def limited() -> float:
        started = time.monotonic()
        with pytest.raises(TimeLimitError):
            await await_within(LIMIT, hang())
        return time.monotonic() - started

    assert asyncio.run(limited()) < PATIENCE


@pytest.mark.parametrize("seconds", [None, PATIENCE])
def test_a_coroutine_gives_its_result_or_raises(seconds: float | None) -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 5

    async def fail() -> None:
        raise KeyError("why")

    assert asyncio.run(await_within(seconds, answer())) == 5
    with pytest.raises(KeyError, match="why"):
        asyncio.run(await_within(seconds, fail()))
