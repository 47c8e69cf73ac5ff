"""One run of a comparison, in a process of its own: trained, then measured.

It is told what to do in one line of JSON on its standard input: ``directory``, ``settings`` (as in a YAML file of
``paretune train``) and ``evaluations`` [[split, decodings, prompts]]. When that input ends, its parent is gone, and it
ends too.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from paretune.cli import evaluate, train
from paretune.cli.arguments import EvaluateArguments
from paretune.cli.bad_input import BadInputError
from paretune.cli.main import DONE, exit_status
from paretune.cli.parser import StrictParser, make_parser
from paretune.cli.settings import Settings, resolve
from paretune.comparison.members import standing

GRACE = 15.0
"""Seconds between being told to stop, and stopping whatever is under way."""


def main() -> int:
    """Do what the first line of the standard input says; the exit status."""
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_watch_parent, daemon=True).start()
    return exit_status(lambda: work(Path(task["directory"]), task["settings"], task["evaluations"]))


def work(directory: Path, settings: dict[str, Any], evaluations: list[list[Any]]) -> int:
    """Train, unless that is done, and measure what is not measured yet; the exit status.

    A run that fails is measured all the same as far as it came: it counts with its last policies. Its page is written
    anew after that: it shows what was measured.
    """
    parser = make_parser()
    given = parser.take(settings, "the plan")
    try:
        if standing(directory).status != "finished":
            _train(resolve(parser, {**given, "output_dir": str(directory)}, train.DEFAULTS))
    finally:
        if standing(directory).status in ("finished", "failed"):
            for split, decodings, prompts in evaluations:
                _measure(directory, parser, {**given, "eval_samples": prompts}, split, decodings)
            evaluate.renew_report(directory)
    return DONE


def _train(settings: Settings) -> None:
    train.quiet()
    train.check_output_dir(settings.config.output_dir, resume=False)
    train.train(train.make_trainer(settings))


def _measure(directory: Path, parser: StrictParser, given: dict[str, Any], split: str, decodings: list[str]) -> None:
    try:
        dial = EvaluateArguments.dial_settings
        evaluate.evaluate_run(directory, parser, given, split=split, decodings=decodings, dial_settings=dial)
    except BadInputError as error:  # it failed before its first checkpoint
        if standing(directory).status == "finished":
            raise
        print(f"paretune: {error}", file=sys.stderr)


def _watch_parent() -> None:
    """Interrupt this process when its standard input ends."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(GRACE)
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
