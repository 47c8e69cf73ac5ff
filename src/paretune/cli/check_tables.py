"""The tables of ``paretune check``."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from paretune.choosing.check import Check, Spread
from paretune.record.figures import correlation, percent, short, span


def print_tables(check: Check, prompts: int, console: Console) -> None:
    """Print all tables.

    Args:
        check: the figures.
        prompts: of an evaluation.
        console: where to.
    """
    console.print(_rewards_table(check))
    console.print(_metrics_table(check))
    if check.pairs:
        console.print(_pairs_table(check))
    console.print(_costs_table(check, prompts))


def _rewards_table(check: Check) -> Table:
    title = f"rewards of {check.rewards[0].count} completions of the initial policy"
    columns = (
        "mean",
        "sd",
        "min, median, max",
        "at min, max",
        "missing",
        f"{check.units} without signal",
        "gradient",
        "its noise",
    )
    table = _table(title, "objective", *columns)
    figures = zip(check.names, check.rewards, check.silent, check.norms, check.noise, strict=True)
    for name, of, silent, norm, noise in figures:
        ends = f"{percent(of.at_low)}, {percent(of.at_high)}"
        table.add_row(
            _shown(name), *_spread(of), ends, percent(of.missing), percent(silent), short(norm), percent(noise)
        )
    table.add_row("weighted sum", "", "", "", "", "", percent(check.silent_sum), "", percent(check.noise_of_sum))
    table.caption = f"the sum's weights: {', '.join(map(short, check.weights))}"
    return table


def _metrics_table(check: Check) -> Table:
    columns = ("mean", "sd", "min, median, max", "validation", "bounds (proposed)", "beyond")
    table = _table("their metrics", "objective", *columns)
    for k, of in enumerate(check.metrics):
        limits, held = check.bounds[k], check.proposed[k]
        shown = "none" if held is None else f"none ({span(*held)})"
        table.add_row(
            f"{_shown(check.names[k])} {'↑' if check.maximize[k] else '↓'}",
            *_spread(of),
            "–" if check.validation is None else short(check.validation[k]),
            shown if limits is None else span(*limits),
            percent(check.beyond[k]),
        )
    return table


def _pairs_table(check: Check) -> Table:
    table = _table("pairs of objectives", "", f"correlation in a {check.unit}", "gradient cosine", "batch by batch", "")
    for pair in check.pairs:
        each = ", ".join(f"{c:+.2f}" for c in pair.cosines)
        table.add_row(
            f"{_shown(pair.a)}, {_shown(pair.b)}",
            correlation(pair.correlation),
            correlation(pair.cosine),
            each,
            "opposed" if pair.opposed else "",
        )
    return table


def _costs_table(check: Check, prompts: int) -> Table:
    table = _table("cost of a batch", "", "seconds", "of the plain step")
    for cost in check.costs:
        name = f"with {cost.name} influence" if cost.name else "plain step"
        name = f"with an evaluation on {prompts} prompts" if cost.name == "evaluation" else name
        seconds = "not possible here" if cost.seconds is None else f"{cost.seconds:.2f}"
        table.add_row(name, seconds, "" if cost.relative is None else f"{cost.relative:.2f} ×")
    return table


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _spread(of: Spread) -> tuple[str, str, str]:
    return short(of.mean), short(of.deviation), ", ".join(map(short, (of.low, of.median, of.high)))


def _shown(name: str) -> str:
    return escape(name)
