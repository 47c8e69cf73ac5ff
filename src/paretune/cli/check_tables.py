"""The tables of ``paretune check``."""

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
    screen.print(_rewards_table(check))
    screen.print(_metrics_table(check))
    if check.pairs:
        screen.print(_pairs_table(check))
    screen.print(_costs_table(check, prompts))


def _rewards_table(check: Check) -> Table:
    title = f"rewards of {check.rewards[0].count} completions of the initial policy"
    lacking = f"{check.units} without signal"
    columns = ("mean", "sd", "min, median, max", "at min, max", "missing", lacking, "gradient", "its noise")
    shown = table(title, "objective", *columns, left=["objective"])
    figures = zip(check.names, check.rewards, check.silent, check.norms, check.noise, strict=True)
    for name, of, silent, norm, noise in figures:
        ends = f"{percent(of.at_low)}, {percent(of.at_high)}"
        shown.add_row(name, *_spread(of), ends, percent(of.missing), percent(silent), short(norm), percent(noise))
    shown.add_row("weighted sum", "", "", "", "", "", percent(check.silent_sum), "", percent(check.noise_of_sum))
    shown.caption = f"the sum's weights: {', '.join(map(short, check.weights))}"
    return shown


def _metrics_table(check: Check) -> Table:
    columns = ("mean", "sd", "min, median, max", "validation", "bounds (proposed)", "beyond")
    shown = table("their metrics", "objective", *columns, left=["objective"])
    for k, of in enumerate(check.metrics):
        limits, held = check.bounds[k], check.proposed[k]
        none = "none" if held is None else f"none ({span(*held)})"
        shown.add_row(
            f"{check.names[k]} {'↑' if check.maximize[k] else '↓'}",
            *_spread(of),
            "–" if check.validation is None else short(check.validation[k]),
            none if limits is None else span(*limits),
            percent(check.beyond[k]),
        )
    return shown


def _pairs_table(check: Check) -> Table:
    columns = (f"correlation in a {check.unit}", "gradient cosine", "batch by batch", "")
    shown = table("pairs of objectives", "", *columns, left=[""])
    for pair in check.pairs:
        each = ", ".join(f"{c:+.2f}" for c in pair.cosines)
        shown.add_row(
            f"{pair.a}, {pair.b}",
            correlation(pair.correlation),
            correlation(pair.cosine),
            each,
            "opposed" if pair.opposed else "",
        )
    return shown


def _costs_table(check: Check, prompts: int) -> Table:
    shown = table("cost of a batch", "", "seconds", "of the plain step", left=[""])
    for cost in check.costs:
        name = f"with {cost.name} influence" if cost.name else "plain step"
        name = f"with an evaluation on {prompts} prompts" if cost.name == "evaluation" else name
        seconds = "not possible here" if cost.seconds is None else f"{cost.seconds:.2f}"
        shown.add_row(name, seconds, "" if cost.relative is None else f"{cost.relative:.2f} ×")
    return shown


def _spread(of: Spread) -> tuple[str, str, str]:
    return short(of.mean), short(of.deviation), ", ".join(map(short, (of.low, of.median, of.high)))
