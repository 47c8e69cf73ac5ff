"""How plain rewards are named, and which way an objective goes."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trl.trainer.utils import get_callable_name

from paretune.objectives import Objective, as_objectives


def format_2(completions: list[str], **_: Any) -> list[float]:
    return [0.0] * len(completions)


def plain_format(completions: list[str], **_: Any) -> list[float]:
    return [1.0] * len(completions)


plain_format.__name__ = "format"


class Scorer:
    def __call__(self, completions: list[str], **_: Any) -> list[float]:
        return [0.0] * len(completions)


def names_of(*rewards: Any) -> list[str]:
    return [objective.name for objective in as_objectives(rewards)]


def test_a_plain_reward_is_named_as_trl_names_it() -> None:
    rewards = [
        partial(partial(format_2, strict=True), level=2),
        Scorer(),
        partial(Scorer()),
        plain_format,
        lambda **_: [],
    ]
    assert names_of(*rewards) == ["format_2", "Scorer", "Scorer_2", "format", "<lambda>"]
    assert [names_of(reward)[0] for reward in rewards] == [get_callable_name(reward) for reward in rewards]


def test_names_are_different_and_those_that_clash_with_none_stay() -> None:
    f, f2 = plain_format, format_2
    assert names_of(f, f2) == ["format", "format_2"]
    assert names_of(f2, f) == ["format_2", "format"]
    assert names_of(f, f, f2) == ["format", "format_3", "format_2"]
    assert names_of(f2, f2, f) == ["format_2", "format_2_2", "format"]
    assert names_of(f, Objective("format", f2), Objective("format_3", f2)) == ["format_2", "format", "format_3"]


@given(st.lists(st.sampled_from(["a", "a_2", "a_3", "a_2_2", "b"]), max_size=8))
def test_names_never_clash(own: list[str]) -> None:
    def reward(name: str) -> Any:
        made = lambda **_: []  # noqa: E731
        made.__name__ = name
        return made

    found = names_of(*map(reward, own))
    assert len(set(found)) == len(found)
    for name in set(own):  # the first of a name keeps it
        assert found[own.index(name)] == name


def test_a_reward_is_always_maximised() -> None:
    with pytest.raises(ValueError, match="`maximize` of 'length' is False, but it has no `metric`") as raised:
        Objective("length", format_2, maximize=False)
    assert "\n" not in str(raised.value)
