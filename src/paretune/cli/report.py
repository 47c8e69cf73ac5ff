"""``paretune report DIR``: a page about a run or a comparison, made from its records."""

import sys

from paretune.cli.bad_input import BadInputError
from paretune.cli.command_line import CommandLine
from paretune.cli.screen import Screen


def run(line: CommandLine) -> int:
    """Write the report; the exit status."""
    [directory], (arguments,) = line.words, line.parser.make(line.given)
    # These take half a second to import, and matplotlib another; most reports do without that.
    from paretune.cli.bounds import bounds_for
    from paretune.report import NothingToReportError, write_report
    from paretune.report.styles import FORMATS

    for name in arguments.format:
        if name not in FORMATS:
            raise BadInputError(f"--format must be one or more of {', '.join(FORMATS)}, got {name!r}.")
    bounds = bounds_for(directory, arguments.bounds)
    screen = Screen()
    try:
        report = write_report(directory, bounds=bounds)
        for note in report.notes:
            print(f"paretune: {note}", file=sys.stderr)
        screen.say(f"report: {report.path}")
        if arguments.figures is not None:
            from paretune.report.figures import save_figures

            for path in save_figures(directory, arguments.figures, arguments.format, bounds):
                screen.say(f"figure: {path}")
    except (NothingToReportError, OSError) as error:
        raise BadInputError(error) from error
    return 0
