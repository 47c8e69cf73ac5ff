"""Every rule names the paper that its docstring gives as its source."""

import re

import pytest

from paretune.weighting import RULES


@pytest.mark.parametrize("name", sorted(RULES))
def test_the_paper_is_the_one_of_the_docstring(name: str) -> None:
    told = re.search(r"(?:Source: .*?|arXiv )(\d{4}\.\d{5})", RULES[name].__doc__ or "", re.DOTALL)
    if told is not None:
        assert RULES[name].paper.endswith(f"arXiv {told[1]}")
