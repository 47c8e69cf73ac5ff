"""Colours, dashes and markers by number: told apart without colour, too; and the formats of figures as files.

The colours are Okabe and Ito's, made for colour-blind readers; yellow and black, which one of the two themes would
swallow, have a shade of their own in each.
"""

FORMATS = ("pdf", "png", "svg")
LIGHT = ("#0072b2", "#d55e00", "#009e73", "#a8578a", "#b87d00", "#3d9fd6", "#5f6368", "#8a7a00")
DARK = ("#58aee6", "#f58a4b", "#2ec4a0", "#e3a0c8", "#f0b840", "#9ad4f7", "#b4b8bd", "#f0e442")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "circle-open", "square-open", "diamond-open")
"""Those that plotly can draw in three dimensions, too, whatever fonts there are."""


def colour(number: int) -> int:
    """Which of the colours a number has."""
    return number % len(LIGHT)


def dash(number: int) -> str:
    """Its dash."""
    return DASHES[(number + number // len(LIGHT)) % len(DASHES)]


def symbol(number: int) -> str:
    """Its marker."""
    return SYMBOLS[(number + number // len(LIGHT)) % len(SYMBOLS)]
