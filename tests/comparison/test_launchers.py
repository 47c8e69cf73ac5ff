"""Runs started side by side, with workers that train nothing."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from paretune.comparison import launchers
from paretune.comparison.launchers import THREADS, Job, LauncherError, local

WORKER = Path(__file__).with_name("worker.py")


@pytest.fixture(autouse=True)
def _stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "WORKER", (sys.executable, str(WORKER)))
    monkeypatch.setattr(launchers, "POLL", 0.02)


def job(notes: Path, name: str, *, threads: int = 1, **task: Any) -> Job:
    return Job(name, notes / "logs" / f"{name}.log", {"name": name, "notes": str(notes), **task}, threads)


def nothing() -> None:
    """There is no table to refresh."""


def began(notes: Path, name: str) -> dict[str, Any]:
    """What a worker noted when it began."""
    return json.loads((notes / f"{name}.began").read_text())


def is_gone(pid: int) -> bool:
    """Whether a process has ended, waited for or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_after_the_other(tmp_path: Path) -> None:
    # Each begins only when the one before it has ended.
    first, second, third = (job(tmp_path, name) for name in "abc")
    seen = []
    with closing(local([first, second, third], 1, nothing)) as ended:
        for one, well in ended:
            seen.append((one.name, well, sorted(path.name for path in tmp_path.glob("*.began"))))
    assert seen == [
        ("a", True, ["a.began"]),
        ("b", True, ["a.began", "b.began"]),
        ("c", True, ["a.began", "b.began", "c.began"]),
    ]


def three(notes: Path) -> list[Job]:
    """a and b wait for each other, so they must run side by side; c for the end of a, while b runs on."""
    return [
        job(notes, "a", wait_for=["b.began"]),
        job(notes, "b", wait_for=["a.began", "c.ended"]),
        job(notes, "c", wait_for=["a.ended"], exit=3),
    ]


def test_side_by_side_but_no_more_than_allowed(tmp_path: Path) -> None:
    ended = local(three(tmp_path), 2, nothing)
    first, well = next(ended)
    assert (first.name, well) == ("a", True)
    assert not (tmp_path / "c.began").exists()
    assert {one.name: well for one, well in ended} == {"b": True, "c": False}


def test_nothing_to_do(tmp_path: Path) -> None:
    assert list(local([], 2, nothing)) == []


def test_while_waiting_it_ticks(tmp_path: Path) -> None:
    ticks = []

    def tick() -> None:
        ticks.append(None)
        if len(ticks) == 3:
            (tmp_path / "go").touch()

    assert [well for _, well in local([job(tmp_path, "a", wait_for=["go"])], 1, tick)] == [True]
    assert len(ticks) >= 3


def test_one_that_fails_stops_no_other(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "a", exit=3), job(tmp_path, "b"), job(tmp_path, "c", exit=130), job(tmp_path, "d")]
    assert {one.name: well for one, well in local(jobs, 2, nothing)} == {"a": False, "b": True, "c": False, "d": True}


def test_one_that_is_killed_failed(tmp_path: Path) -> None:
    def kill() -> None:
        if (tmp_path / "a.began").exists():
            os.kill(began(tmp_path, "a")["pid"], signal.SIGKILL)
            (tmp_path / "a.began").unlink()

    found = list(local([job(tmp_path, "a", deaf=True), job(tmp_path, "b")], 1, kill))
    assert [(one.name, well) for one, well in found] == [("a", False), ("b", True)]


def test_one_that_dies_before_it_reads_its_job_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "WORKER", (sys.executable, "-c", "raise SystemExit('no such module')"))
    long = job(tmp_path, "a", schedule="x" * 67_000)  # a little more than a pipe holds
    assert list(local([long], 1, nothing)) == [(long, False)]
    assert long.log.read_text() == "no such module\n"


def test_threads_are_pinned_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    monkeypatch.setenv("OWN", "kept")
    assert all(well for _, well in local([job(tmp_path, "a", threads=3), job(tmp_path, "b", threads=1)], 2, nothing))
    for name, threads in (("a", "3"), ("b", "1")):
        environment = began(tmp_path, name)["environment"]
        assert {environment[variable] for variable in THREADS} == {threads}
        assert (environment["OWN"], environment["TOKENIZERS_PARALLELISM"]) == ("kept", "false")


def test_the_log_takes_all_output_after_what_it_has(tmp_path: Path) -> None:
    one = job(tmp_path, "a")
    for _ in range(2):
        assert list(local([one], 1, nothing)) == [(one, True)]
    assert sorted(one.log.read_text().splitlines()) == ["a complains"] * 2 + ["a says this"] * 2


def test_closed_early_it_ends_its_workers(tmp_path: Path) -> None:
    jobs = [
        job(tmp_path, "a"),
        job(tmp_path, "b", stay=True, exit=1),
        job(tmp_path, "c", stay=True),
        job(tmp_path, "d"),
    ]
    with closing(local(jobs, 3, nothing)) as ended:
        assert next(ended) == (jobs[0], True)
        until(lambda: all((tmp_path / f"{name}.began").exists() for name in "bc"))
    assert all((tmp_path / f"{name}.told").exists() for name in "bc")
    assert not (tmp_path / "d.began").exists()


def test_a_worker_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "PATIENCE", 0.2)

    def interrupt() -> None:
        if (tmp_path / "a.began").exists():
            raise KeyboardInterrupt

    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(local([job(tmp_path, "a", deaf=True)], 1, interrupt))
    assert time.monotonic() - before < 30  # it would go on for a minute
    assert is_gone(began(tmp_path, "a")["pid"])


def test_when_this_process_is_killed_its_workers_end(tmp_path: Path) -> None:
    program = f"""
        import sys
        from pathlib import Path
        from paretune.comparison import launchers
        launchers.WORKER = (sys.executable, {str(WORKER)!r})
        notes = Path({str(tmp_path)!r})
        jobs = [launchers.Job(n, notes / n, {{"name": n, "notes": str(notes), "stay": True}}, 1) for n in "ab"]
        list(launchers.local(jobs, 2, lambda: None))
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)]) as parent:
        until(lambda: all((tmp_path / f"{name}.began").exists() for name in "ab"))
        assert not list(tmp_path.glob("*.told"))
        parent.kill()
    assert parent.returncode == -signal.SIGKILL
    until(lambda: all((tmp_path / f"{name}.ended").exists() for name in "ab"))


@pytest.mark.slow
def test_the_real_worker_watches_its_standard_input() -> None:
    program = """
        import threading, time
        from paretune.cli.compare_worker import _watch_parent
        threading.Thread(target=_watch_parent, daemon=True).start()
        print("ready", flush=True)
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            print("interrupted")
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        out, _ = worker.communicate(timeout=30)  # closes its standard input
    assert (out, worker.returncode) == ("interrupted\n", 0)


# --- Ray ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Ray, whose processes get the worker of these tests, too, and which keeps its files out of the home folder."""
    cloudpickle = pytest.importorskip("ray").cloudpickle
    cloudpickle.register_pickle_by_value(launchers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield
    cloudpickle.unregister_pickle_by_value(launchers)


@pytest.mark.slow
@pytest.mark.usefixtures("_ray")
def test_on_ray_the_same_comes_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        found = []
        for launch in (local, launchers.ray):
            notes = tmp_path / launch.__name__
            notes.mkdir()
            jobs = three(notes)
            ended = {one.name: well for one, well in launch(jobs, 2, nothing)}
            environments = [began(notes, one.name)["environment"] for one in jobs]
            pinned = [{variable: environment[variable] for variable in THREADS} for environment in environments]
            found.append((ended, pinned, [sorted(one.log.read_text().splitlines()) for one in jobs]))
        assert found[0] == found[1]
        assert found[0][0] == {"a": True, "b": True, "c": False}
        assert ray.is_initialized()  # it is not its own
    finally:
        ray.shutdown()


@pytest.mark.slow
@pytest.mark.usefixtures("_ray")
def test_without_a_cluster_it_starts_one_and_stops_it_with_its_workers(tmp_path: Path) -> None:
    import ray

    jobs = [job(tmp_path, "a"), job(tmp_path, "b", stay=True), job(tmp_path, "c")]
    with closing(launchers.ray(jobs, 2, nothing)) as ended:
        assert next(ended) == (jobs[0], True)
        assert ray.is_initialized()
        until(lambda: (tmp_path / "b.began").exists())
    assert not ray.is_initialized()
    until(lambda: is_gone(began(tmp_path, "b")["pid"]))
    assert not (tmp_path / "c.began").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("_ray")
def test_on_a_cluster_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        # One CPU: the two run one after the other, though two are allowed side by side.
        assert all(well for _, well in launchers.ray([job(tmp_path, "a"), job(tmp_path, "b")], 2, nothing))
    finally:
        cluster.shutdown()


def test_without_ray_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(LauncherError, match="Ray is not installed") as raised:
        next(launchers.ray([job(tmp_path, "a")], 1, nothing))
    assert "\n" not in str(raised.value)
