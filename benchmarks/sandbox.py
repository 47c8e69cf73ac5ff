"""What running programs costs: a cold start, 64 programs of SafeSQL with 20 inputs each, and what hanging ones add.

    python benchmarks/sandbox.py --data DIR

The programs are the first reference programs of the test split. Each input has a fresh process and a fresh database;
nothing is cached and no program is given up early but those that hang. The time is by the clock, from nothing to all
outcomes: the sandbox is opened with its self-test, each row's database made in it, and the programs run. What comes
out is compared with the expected outputs and, where eight of the programs are replaced by ones that hang on every
input, with what the others did without them.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
from measuring import machine, write_block

from paretune.sandbox import Outcome, Program, Sandbox, SandboxError
from paretune.sandbox.choice import SAFE_BACKENDS
from paretune.sandbox.selftest import broken_promises
from paretune.tasks.safesql.correctness import passed

HANGING = {"busy": "while True:\n    pass\n", "asleep": "import time\n\ntime.sleep(10**6)\n"}
HEADS = ("back end", "hanging", "open, self-test (s)", "databases (s)", "runs (s)", "all (s)", "outputs as expected")


@dataclass(frozen=True)
class Round:
    """One cold start with all programs run: seconds by the clock, and what came out."""

    opening: float
    databases: float
    runs: float
    outcomes: list[list[Outcome]]
    processor: dict[str, float]  # milliseconds a run, without that of sandboxes that were replaced

    @property
    def total(self) -> float:
        return self.opening + self.databases + self.runs


def cold_round(backend: str, rows: Sequence[dict[str, Any]], hanging: Sequence[int], how: str) -> Round:
    """Open a sandbox, make the databases, run the programs; those at the positions `hanging` are ones that hang."""
    times = [time.perf_counter()]
    sandbox = Sandbox(backend)
    try:
        broken = broken_promises(sandbox)
        assert not broken, broken
        times.append(time.perf_counter())
        made = sandbox.run([Program(row["construct_db"], [""], keep=True) for row in rows])
        times.append(time.perf_counter())
        programs = [
            Program(
                HANGING[how] if position in hanging else row["execute_sql"],
                [case["input"] for case in row["test_cases"]],
                outcome.databases or {},
            )
            for position, (row, (outcome,)) in enumerate(zip(rows, made, strict=True))
        ]
        before = processor_seconds(sandbox)
        outcomes = sandbox.run(programs)
        times.append(time.perf_counter())
        after = processor_seconds(sandbox)
    finally:
        sandbox.close()
    runs = sum(map(len, outcomes))
    processor = {who: 1000 * (after[who] - before[who]) / runs for who in after}
    return Round(*(end - start for start, end in pairwise(times)), outcomes, processor)


def processor_seconds(sandbox: Sandbox) -> dict[str, float]:
    """What has been used up so far, by who used it."""
    (server,) = psutil.Process(sandbox.launcher_pid).children()
    used = server.cpu_times()
    seconds = {"launcher": used.user + used.system, "fork servers": 0.0, "programs and their databases": 0.0}
    for process in server.children(recursive=True):
        if not process.children():  # not bubblewrap, which waits for its fork server
            used = process.cpu_times()
            seconds["fork servers"] += used.user + used.system
            seconds["programs and their databases"] += used.children_user + used.children_system
    return seconds


def right(
    rows: Sequence[dict[str, Any]], outcomes: Sequence[Sequence[Outcome]], leave_out: Sequence[int]
) -> list[bool]:
    """Whether each run of the programs but those left out succeeded and printed what is expected."""
    return [
        outcome.succeeded and passed(outcome.output, case["output"])
        for position, (row, own) in enumerate(zip(rows, outcomes, strict=True))
        if position not in leave_out
        for case, outcome in zip(row["test_cases"], own, strict=True)
    ]


def table(options: argparse.Namespace, rows: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each back end and kind of hanging program, the median round of some."""
    lines = [f"| {' | '.join(HEADS)} |", "|---" * len(HEADS) + "|"]
    costs = []
    hanging = list(islice(range(0, len(rows), max(1, len(rows) // options.hanging)), options.hanging))
    for backend in options.backends:
        plain: list[list[Outcome]] = []
        for how in ("", *HANGING):
            positions = hanging if how else []
            rounds = [cold_round(backend, rows, positions, how) for _ in range(options.rounds)]
            middle = sorted(rounds, key=lambda each: each.total)[len(rounds) // 2]
            plain = plain or middle.outcomes
            for position, own in enumerate(middle.outcomes):
                if position in positions:
                    assert {outcome.status for outcome in own} == {"timeout"}, f"{backend}: {position} did not hang"
                else:
                    assert own == plain[position], f"{backend}: {position} differs beside hanging programs"
            judged = right(rows, middle.outcomes, positions)
            seconds = " | ".join(f"{part:.1f}" for part in (middle.opening, middle.databases, middle.runs))
            shown = f"{len(positions)}, {how}" if how else "none"
            lines.append(
                f"| {backend} | {shown} | {seconds} | **{middle.total:.1f}** | {sum(judged)} of {len(judged)} |"
            )
            print(lines[-1], flush=True)
            if not how:
                parts = ", ".join(f"{who} {milliseconds:.1f} ms" for who, milliseconds in middle.processor.items())
                costs.append(f"Processor time a run ({backend}): {parts}.")
                print(costs[-1], flush=True)
    return [*lines, "", *costs]


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of SafeSQL with test.parquet")
    parser.add_argument("--programs", type=int, default=64)
    parser.add_argument("--inputs", type=int, default=20, help="of each program; where it has fewer, they are repeated")
    parser.add_argument("--hanging", type=int, default=8, help="programs that hang, in the rounds where some do")
    parser.add_argument("--rounds", type=int, default=1, help="of which the median is shown")
    parser.add_argument("--backends", nargs="+", default=list(SAFE_BACKENDS))
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "docs" / "sandbox.md")
    options = parser.parse_args()
    rows = pq.read_table(options.data / "test.parquet").to_pylist()[: options.programs]
    for row in rows:
        row["test_cases"] = list(islice(cycle(row["test_cases"]), options.inputs))
    present = []
    for backend in options.backends:
        try:
            Sandbox(backend, slots=1).close()
            present.append(backend)
        except SandboxError as error:
            print(error)
    options.backends = present
    head = f"{len(rows)} programs, {options.inputs} inputs each; {'median of ' if options.rounds > 1 else ''}"
    head += f"{options.rounds} round{'s' if options.rounds > 1 else ''}."
    write_block(options.output, "cost", [head, "", *table(options, rows), "", machine()])


if __name__ == "__main__":
    main()
