"""Reports of runs and comparisons, made from their records alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paretune.bounded_run import Bounds
from paretune.record.json_files import write_whole
from paretune.record.run_directory import REPORT
from paretune.report.comparison_page import comparison_page
from paretune.report.comparisons import Comparison, is_comparison, read_comparison
from paretune.report.page import render
from paretune.report.run_page import run_page
from paretune.report.run_reading import read_run
from paretune.report.runs import Run

__all__ = ["NothingToReportError", "Report", "read_records", "write_report"]


class NothingToReportError(ValueError):
    """A directory holds nothing that a report could be made of."""


@dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes:
        path: the page.
        notes: a line on each thing that is missing from it.
    """

    path: Path
    notes: Sequence[str]


def read_records(directory: str | Path, bounds: Bounds | None = None) -> Run | Comparison:
    """The records of a run or of a comparison.

    Args:
        directory: the run's or the comparison's.
        bounds: of objectives, in place of those that were recorded.

    Raises:
        NothingToReportError: if the directory holds nothing of either.
    """
    path = Path(directory)
    if not path.is_dir():
        raise NothingToReportError(f"{path} is no folder: give that of a run or of a comparison.")
    # The folder's own name stands in notes and titles, even where it was given as "." or "..".
    path = path.resolve()
    found = read_comparison(path, bounds) if is_comparison(path) else read_run(path, bounds)
    if found is None:
        raise NothingToReportError(
            f"{directory} holds nothing to report: a run has run.json, steps.jsonl or evaluations.jsonl, a comparison "
            "summary.json or comparison.json with its runs."
        )
    return found


def write_report(directory: str | Path, output: str | Path | None = None, bounds: Bounds | None = None) -> Report:
    """Write the report of a run or a comparison: one HTML file that needs nothing else.

    Args:
        directory: the run's or the comparison's.
        output: where the page goes; ``report.html`` in the directory by default.
        bounds: of objectives, in place of those that were recorded.

    Raises:
        NothingToReportError: if the directory holds nothing to report.
        OSError: if the page cannot be written.
    """
    records = read_records(directory, bounds)
    page = comparison_page(records) if isinstance(records, Comparison) else run_page(records)
    path = Path(directory) / REPORT if output is None else Path(output)
    # Half a surrogate pair, which JSON may hold, has no form in UTF-8.
    write_whole(path, render(page).encode("utf-8", "replace").decode("utf-8"))
    return Report(path, list(page.missing))
