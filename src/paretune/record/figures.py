"""Figures of records as people read them: in the report, in tables of the terminal and in model cards."""

import math

MINUS = "−"
NONE = "–"
THOUSANDS = "\u202f"
"""A narrow space where no line ends."""


def figure(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits; a dash for one that is not known."""
    if value is None or math.isnan(value):
        return NONE
    size = abs(value)
    if math.isinf(value):
        return f"{MINUS if value < 0 else ''}∞"
    if size >= 10_000:
        written = f"{value:,.0f}".replace(",", THOUSANDS)
    elif size >= 100:
        written = f"{value:.{max(digits - 3, 0)}f}"
    elif size >= 10:
        written = f"{value:.{max(digits - 2, 0)}f}"
    elif size >= 0.01 or size == 0:
        written = f"{value:.{digits}f}"
    else:
        written = f"{value:.{max(digits - 1, 1)}g}"
    return written.replace("-", MINUS)


def signed(value: float | None) -> str:
    """A difference, with its sign."""
    return f"+{figure(value)}" if value is not None and value > 0 else figure(value)


def interval(low: float | None, high: float | None) -> str:
    """An interval, or a dash."""
    return NONE if low is None or high is None else f"{figure(low)} to {figure(high)}"


def estimate(mean: float | None, low: float | None, high: float | None, digits: int = 3) -> str:
    """A mean with its interval in brackets, where there is one."""
    if low is None or high is None:
        return figure(mean, digits)
    return f"{figure(mean, digits)} [{figure(low, digits)}, {figure(high, digits)}]"


def difference(mean: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    """A difference and its interval, all to the place of the second digit of the interval's half width.

    Without an interval, or with one of no width, each is written by its own size.
    """
    if mean is None or low is None or high is None or high - low < 1e-5:
        return signed(mean), interval(low, high)
    decimals = max(1 - math.floor(math.log10((high - low) / 2)), 0)
    found, *ends = (f"{value:z.{decimals}f}".replace("-", MINUS) for value in (mean, low, high))
    return f"+{found}" if round(mean, decimals) > 0 else found, " to ".join(ends)


def with_error(value: float | None, error: float | None) -> str:
    """A value and its standard error, where there is one, in one unit and to the same decimal place."""
    if value is None or error is None:
        return figure(value)
    own, larger = figure(value), figure(max(abs(value), error))
    _, power, exponent = larger.partition("e")
    unit = 10.0 ** int(exponent.replace(MINUS, "-")) if power else 1.0
    decimals = 1 if power else len((larger if "e" in own else own).partition(".")[2])
    written = (f"{part / unit:z,.{decimals}f}{power}{exponent}" for part in (value, error))
    return " ± ".join(written).replace(",", THOUSANDS).replace("-", MINUS)


def p_value(value: float | None) -> str:
    """A p-value, or that it is small."""
    return "< 0.001" if value is not None and value < 0.001 else figure(value)


def span(low: float, high: float) -> str:
    """Bounds, as they were given."""
    return f"{low:g} to {high:g}"


def correlation(value: float) -> str:
    """A correlation or a cosine, with its sign; a dash for one that is not known."""
    return NONE if math.isnan(value) else f"{value:+.2f}".replace("-", MINUS)


def percent(share: float) -> str:
    """A share; one that is more than none is not shown as none, nor one that is less than all as all."""
    if math.isnan(share):
        return NONE
    if 0 < share < 0.005:
        return "under 1 %"
    if 0.995 <= share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"


def short(value: float) -> str:
    """A number in three digits, without zeros at its end; a dash for one that is not known."""
    return NONE if math.isnan(value) else f"{value:.3g}".replace("-", MINUS)
