"""The tables of ``paretune check``, each narrow enough for a terminal of 80 columns."""

from collections.abc import Collection

from rich import box
from rich.table import Table

from paretune.choosing.check import Check, Spread
from paretune.cli.screen import Screen, table
from paretune.record.figures import correlation, percent, short, span


def print_tables(check: Check, prompts: int, screen: Screen) -> None:
    """Print all tables.

    Args:
        check: the figures.
        prompts: of an evaluation.
        screen: where to.
    """
    tables = [_rewards_table(check), _signal_table(check), _metrics_table(check)]
    for one in (*tables, *([_pairs_table(check)] if check.pairs else []), _costs_table(check, prompts)):
        screen.print(one)
        screen.print()


def _rewards_table(check: Check) -> Table:
    title = f"rewards of {check.rewards[0].count} completions of the initial policy"
    shown = _slim(title, "objective", "mean", "sd", "min, median, max", "at min, max", "missing", left=["objective"])
    for name, of in zip(check.names, check.rewards, strict=True):
        ends = f"{percent(of.at_low)}, {percent(of.at_high)}"
        shown.add_row(name, *_spread(of), ends, percent(of.missing))
    return shown


def _signal_table(check: Check) -> Table:
    columns = ("objective", f"{check.units} without signal", "gradient", "its noise")
    shown = _slim("what they teach", *columns, left=["objective"])
    for name, silent, norm, noise in zip(check.names, check.silent, check.norms, check.noise, strict=True):
        shown.add_row(name, percent(silent), short(norm), percent(noise))
    shown.add_row("weighted sum", percent(check.silent_sum), "", percent(check.noise_of_sum))
    shown.caption = f"the sum's weights: {', '.join(map(short, check.weights))}"
    return shown


def _metrics_table(check: Check) -> Table:
    columns = ("objective", "mean", "sd", "range", "validation", "bounds", "beyond")
    shown = _slim("their metrics", *columns, left=["objective"])
    for k, of in enumerate(check.metrics):
        limits, held = check.bounds[k], check.proposed[k]
        none = "none" if held is None else f"({span(*held)})"
        shown.add_row(
            f"{check.names[k]} {'↑' if check.maximize[k] else '↓'}",
            short(of.mean),
            short(of.deviation),
            f"{short(of.low)} to {short(of.high)}",
            "–" if check.validation is None else short(check.validation[k]),
            none if limits is None else span(*limits),
            percent(check.beyond[k]),
        )
    if any(held is not None for held in check.proposed):
        shown.caption = "bounds in brackets are proposed"
    return shown


def _pairs_table(check: Check) -> Table:
    title = f"pairs of objectives: rewards in a {check.unit}, and gradients"
    shown = _slim(title, "", "correlation", "cosine", "batch by batch", "", left=[""])
    for pair in check.pairs:
        shown.add_row(
            f"{pair.a}, {pair.b}",
            correlation(pair.correlation),
            correlation(pair.cosine),
            ", ".join(map(correlation, pair.cosines)),
            "opposed" if pair.opposed else "",
        )
    return shown


def _costs_table(check: Check, prompts: int) -> Table:
    shown = _slim("cost of a batch", "", "seconds", "of the plain step", left=[""])
    for cost in check.costs:
        name = f"with {cost.name} influence" if cost.name else "plain step"
        name = f"with an evaluation on {prompts} prompts" if cost.name == "evaluation" else name
        seconds = "not possible here" if cost.seconds is None else f"{cost.seconds:.2f}"
        shown.add_row(name, seconds, "" if cost.relative is None else f"{cost.relative:.2f} ×")
    return shown


def _slim(title: str, *columns: str, left: Collection[str]) -> Table:
    """A table without lines between its columns, which would take the room of figures."""
    shown = table(title, *columns, left=left)
    shown.box, shown.show_edge, shown.pad_edge, shown.collapse_padding = box.SIMPLE_HEAD, False, False, True
    return shown


def _spread(of: Spread) -> tuple[str, str, str]:
    return short(of.mean), short(of.deviation), ", ".join(map(short, (of.low, of.median, of.high)))
