"""What ``paretune compare`` shows: all runs in one live table, and the result at the end."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.table import Table

from paretune.cli.screen import Screen, table
from paretune.comparison.dial_entry import HEADINGS
from paretune.comparison.figures import OF_THE_FRONT, OF_THE_LAST, figure_name
from paretune.comparison.members import Member, comparison_members, standing, tuning_members
from paretune.comparison.plan import Plan
from paretune.record.figures import estimate, figure

REFRESH = 2.0
"""Seconds between two looks at the records of running runs."""

MARKS = {"waiting": "·", "finished": "✓", "failed": "✗"}


class CompareTable:
    """All runs: a row for each arm under each algorithm, a mark or a percentage for each of its runs.

    Without a terminal, a line for each run that ends.

    Args:
        root: the comparison's folder.
        plan: the comparison.
        screen: where to print.
    """

    def __init__(self, root: Path, plan: Plan, screen: Screen) -> None:
        self._root, self._screen = root, screen
        self._live: Live | None = None
        self._title = ""
        self._members = [*tuning_members(plan), *comparison_members(plan)]
        self._states = {member.directory: "waiting" for member in self._members}
        self._to_make = 0
        self._made = 0
        self._began = time.monotonic()
        self._looked = 0.0

    def __enter__(self) -> "CompareTable":
        if self._screen.is_terminal:
            self._live = Live(console=self._screen, refresh_per_second=2)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._look()
            self._live.stop()

    def stage(self, title: str, members: Sequence[Member], missing: set[str]) -> None:
        """Begin with a stage: its runs, and which of them are still to be made."""
        self._title = title
        self._states |= {m.directory: "waiting" if m.directory in missing else "finished" for m in members}
        self._to_make, self._made, self._began = len(missing), 0, time.monotonic()
        if members and self._live is None:
            kept = len(members) - len(missing)
            self._screen.say(f"{title}: {len(members)} runs, {kept} of them done already")
        self.refresh()

    def ended(self, name: str, well: bool) -> None:
        """A run came to its end."""
        self._states[name] = "finished" if well else "failed"
        self._made += 1
        if self._live is None:
            state = "done" if well else f"failed (see {self._root}/logs)"
            self._screen.say(f"{self._title} {self._made}/{self._to_make}: {name} {state}{self._left()}")
        self.refresh(now=True)

    def refresh(self, now: bool = False) -> None:
        """Look at the records again, if it is time to."""
        if self._live is not None and (now or time.monotonic() - self._looked > REFRESH):
            self._look()

    def _look(self) -> None:
        self._looked = time.monotonic()
        cells: dict[tuple[str, str, str], list[str]] = {}
        for member in self._members:
            kind = "" if member.configuration is None else "tuning"
            cells.setdefault((kind, member.arm.name, member.algorithm), []).append(self._mark(member))
        runs = Table(box=None, pad_edge=False, show_header=False)
        for key, marks in cells.items():
            runs.add_row(*key, " ".join(marks))
        assert self._live is not None
        count = Counter(self._states.values())
        line = f"{count['finished']} of {len(self._members)} runs done"
        line += f", {count['failed']} failed" if count["failed"] else ""
        line += f"; {self._title}: {self._made} of {self._to_make}" if self._to_make else ""
        self._live.update(Group(line + self._left(), runs))

    def _mark(self, member: Member) -> str:
        state = self._states[member.directory]
        if state != "waiting":
            return MARKS[state]
        found = standing(self._root / member.directory)
        if found.status == "waiting":
            return MARKS["waiting"]
        if found.status == "finished" or not found.max_steps:
            return "measuring" if found.status == "finished" else "…"
        return f"{100 * found.step // found.max_steps}%"

    def _left(self) -> str:
        """The time left, by the runs that this stage has made so far."""
        if not self._made or self._made >= self._to_make:
            return ""
        seconds = (time.monotonic() - self._began) / self._made * (self._to_make - self._made)
        return f", about {int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min left"


def print_result(summary: Mapping[str, Any], root: Path, report: Path, failed: Sequence[str], screen: Screen) -> None:
    """Print the arms with their intervals, the primary contrast, what failed, and where the files are."""
    screen.print()
    names = [objective["name"] for objective in summary.get("objectives", [])]
    title = "On the test split, mean over seeds [95 % interval]"
    results = table(title, "rule", "seeds", "hypervolume", *names, "tokens", left=["rule"])
    for label, rule in summary["rules"].items():
        objectives = [figure(rule["objectives"][name]["mean"]) for name in names]
        tokens = f"{(rule['cost']['tokens']['mean'] or 0) / 1e3:.0f} k"
        results.add_row(label, str(len(rule["seeds"])), _estimate(rule["hypervolume"]), *objectives, tokens)
    screen.show(results)
    screen.say("hypervolume: of the chosen policies, measured again; objectives: of the last policy")
    for title, headings in (("The last policy", OF_THE_LAST), ("The chosen policies together", OF_THE_FRONT)):
        _print_figures(summary["rules"], title, headings, screen)
    _print_dials(summary["rules"], screen)
    primary = summary.get("primary")
    if primary is not None:
        screen.say(primary_line(primary))
    for line in summary["incomplete"]:
        screen.say(f"incomplete: {line}")
    for name in failed:
        log = root / "logs" / f"{name.replace('/', '-')}.log"
        screen.say(f"failed: {name}{_reason(log)}; run again to try anew")
    screen.say(f"report: {report}")


def _print_figures(rules: Mapping[str, Any], title: str, headings: Mapping[str, str], screen: Screen) -> None:
    """Print figures of all arms, without those that no arm has."""
    names = [n for n in headings if any(rule["figures"][n]["mean"] is not None for rule in rules.values())]
    if not names:
        return
    shown = table(title, "rule", *(headings[name] for name in names), left=["rule"])
    for label, rule in rules.items():
        shown.add_row(label, *(_estimate(rule["figures"][name]) for name in names))
    screen.print(shown)


def _print_dials(rules: Mapping[str, Any], screen: Screen) -> None:
    """Print how the objectives of steerable arms follow their priorities; nothing where there is no such arm."""
    title = "Dials: how objectives follow their priorities"
    dials = table(title, "rule", "objective", *HEADINGS.values(), left=["rule", "objective"])
    for label, rule in rules.items():
        for name, response in (rule.get("dial") or {}).items():
            dials.add_row(label, name, *(_estimate(response[figure]) for figure in HEADINGS))
    if dials.row_count:
        screen.print(dials)


def primary_line(contrast: Mapping[str, Any]) -> str:
    """The primary contrast in one line."""
    if contrast["difference"] is None:
        return f"{contrast['rule']} against the best fixed weights: no difference to show, {contrast['reason']}"
    what = figure_name(contrast["figure"])
    head = f"{contrast['rule']} − {contrast['against']}: {figure(contrast['difference'])} of {what}"
    if contrast["low"] is None:
        return f"{head} (no interval: {contrast['reason']})"
    p = f"p {contrast['p_t']:.3f} (paired t), {contrast['p_sign_flip']:.3f} (sign flips)"
    return f"{head}, 95 % [{figure(contrast['low'])}, {figure(contrast['high'])}], {p}, {contrast['n']} seeds"


def _reason(log: Path) -> str:
    """The last line that a failed run's worker wrote, which says why."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f" ({lines[-1]}; {log})" if lines else f" ({log})"


def _estimate(found: Mapping[str, Any]) -> str:
    return estimate(found["mean"], found["low"], found["high"])
