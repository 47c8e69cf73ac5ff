"""``paretune evaluate CHECKPOINT``: measure a policy's objectives on one split of a task."""

from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from paretune.cli.bad_input import BadInputError
from paretune.cli.settings import make_parser, parse
from paretune.cli.train import make_trainer, quiet
from paretune.trainer.checkpoints import STATE_FILE, load_state
from paretune.weighting import FixedWeights

PROG = "paretune evaluate CHECKPOINT"
SPLITS = ("train", "validation", "test")


def run(argv: list[str]) -> int:
    """Evaluate; the exit status."""
    parser = make_parser(PROG)
    if "-h" in argv or "--help" in argv:
        parser.print_help()
        return 0
    if not argv or argv[0].startswith("-"):
        raise BadInputError("which checkpoint? `paretune evaluate CHECKPOINT [--task T] [--split test]`")
    checkpoint, argv = argv[0], argv[1:]
    if not Path(checkpoint).is_dir():
        raise BadInputError(f"there is no checkpoint folder {checkpoint}.")
    split, argv = _split(argv)
    quiet()
    with TemporaryDirectory() as scratch:
        settings = parse(
            [*argv, "--model_name_or_path", checkpoint, "--output_dir", scratch],
            prog=PROG,
            defaults={"disable_tqdm": True},
        )
        count = len(settings.task.objectives)
        trainer = make_trainer(settings, FixedWeights([1 / count] * count))
        if (Path(checkpoint) / STATE_FILE).is_file():
            saved = load_state(checkpoint)["objectives"]
            for objective in settings.task.objectives:
                objective.load_state_dict(saved.get(objective.name, {}))
        dataset = getattr(settings.task, split)
        metrics = trainer.evaluate(dataset, metric_key_prefix=split)
    samples = min(len(dataset), settings.config.eval_samples or len(dataset))
    generations = settings.config.num_generations_eval or 1
    table = Table(title=f"{checkpoint} on {samples} × {generations} {split} completions", title_justify="left")
    for column in ("objective", "metric", "standard error"):
        table.add_column(column, justify="left" if column == "objective" else "right")
    for objective in settings.task.objectives:
        key = f"{split}_{objective.name}"
        table.add_row(objective.name, f"{metrics[key]:.4f}", f"{metrics[f'{key}_standard_error']:.4f}")
    Console().print(table)
    return 0


def _split(argv: list[str]) -> tuple[str, list[str]]:
    """Take ``--split`` out of the command line."""
    arguments = [part for a in argv for part in (a.split("=", 1) if a.startswith("--split=") else [a])]
    if "--split" not in arguments:
        return "test", arguments
    i = arguments.index("--split")
    split = arguments[i + 1] if i + 1 < len(arguments) else ""
    if split not in SPLITS:
        raise BadInputError(f"--split must be one of {', '.join(SPLITS)}, got {split!r}.")
    return split, arguments[:i] + arguments[i + 2 :]
