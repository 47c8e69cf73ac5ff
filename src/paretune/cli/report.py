"""``paretune report DIR``: a page about a run or a comparison, made from its records."""

import sys
from dataclasses import dataclass, field

from rich.console import Console

from paretune.cli.bad_input import BadInputError
from paretune.cli.parser import StrictParser
from paretune.report import NothingToReportError, write_report
from paretune.report.styles import FORMATS

PROG = "paretune report DIR"


@dataclass
class ReportArguments:
    """What is written beside the page."""

    figures: str | None = field(default=None, metadata={"help": "a folder for the figures as files, too"})
    format: list[str] = field(
        default_factory=lambda: ["pdf"],
        metadata={"help": f"of these files: {', '.join(FORMATS)}; several may be given"},
    )


def run(argv: list[str]) -> int:
    """Write the report; the exit status."""
    parser = StrictParser([ReportArguments], prog=PROG, hidden={})
    if "-h" in argv or "--help" in argv:
        parser.print_help()
        return 0
    if not argv or argv[0].startswith("-"):
        raise BadInputError("which folder? `paretune report DIR [--figures DIR] [--format pdf]`")
    directory, argv = argv[0], argv[1:]
    (arguments,) = parser.parse(argv, {})
    for name in arguments.format:
        if name not in FORMATS:
            raise BadInputError(f"--format must be one or more of {', '.join(FORMATS)}, got {name!r}.")
    console = Console()
    try:
        report = write_report(directory)
        for note in report.notes:
            print(f"paretune: {note}", file=sys.stderr)
        console.print(f"report: {report.path}", soft_wrap=True, highlight=False, markup=False)
        if arguments.figures is not None:
            # matplotlib takes a second to import, and most reports do without.
            from paretune.report.figures import save_figures

            for path in save_figures(directory, arguments.figures, arguments.format):
                console.print(f"figure: {path}", soft_wrap=True, highlight=False, markup=False)
    except (NothingToReportError, OSError) as error:
        raise BadInputError(error) from error
    return 0
