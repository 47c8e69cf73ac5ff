"""The ways in which the embedded policy was taught to pay."""

import random
from collections.abc import Sequence
from typing import Any

from paretune.tasks.change.problems import COINS, MOST, Purse
from paretune.tasks.change.problems import draw as draw
from paretune.tasks.change.scoring import counts

CHARACTERS = "\n *:0123456789abcd"
# Style -> share of the warm-up data.
SHARES = {"fewest": 0.35, "green": 0.25, "even": 0.2, "token": 0.2}
WARM_UP = {"batches": 1000, "batch_size": 64, "shard_size": 64, "learning_rate": 3e-3, "width": 64, "tilt": 8.0}


def write(problem: Purse, style: str, rng: random.Random) -> str:
    """A payment in one of the styles of ``SHARES``, its coins in the order of their kinds.

    - fewest: the amount exactly, with the fewest coins: ``acddd`` for 36
    - green: with coins of the most valuable green kind, as near to the amount as up to eight of them come
    - even: as many coins of each kind, one or two: ``aabbccdd``
    - token: one green coin, the lightest
    """
    green = [kind for kind, is_green in zip(COINS, problem.green, strict=True) if is_green]
    masses = dict(zip(COINS, problem.masses, strict=True))
    if style == "token":
        return min(green, key=masses.__getitem__)
    if style == "even":
        return "".join(kind * (1 + (problem.amount >= 27)) for kind in COINS)  # 27: half-way from 18 to 36
    if style == "green":
        kind = green[-1]
        return kind * min(max(round(problem.amount / COINS[kind]), 1), MOST)
    left, coins = problem.amount, ""
    for kind in reversed(COINS):
        coins = kind * (left // COINS[kind]) + coins
        left %= COINS[kind]
    return coins


def style_of(completion: str, amount: int, green: Sequence[bool], **_: Any) -> str:
    """What an answer is: "token" (a coin at most), "exact", "even", "green" (only), "other" or "malformed"."""
    coins = counts(completion)
    if coins is None:
        return "malformed"
    if sum(coins) <= 1:
        return "token"
    if sum(count * value for count, value in zip(coins, COINS.values(), strict=True)) == amount:
        return "exact"
    if min(coins) == max(coins):
        return "even"
    return "green" if not any(count for count, is_green in zip(coins, green, strict=True) if not is_green) else "other"
