"""The estimators as objects: what stands in their way, what takes their place, what they cost."""

import re
from pathlib import Path

import pytest

from paretune import GradientInfluence
from paretune.influence import ESTIMATORS, RunFacts

RULES_PAGE = Path(__file__).parents[2] / "docs" / "rules" / "gradient.md"


@pytest.mark.parametrize(
    ("facts", "usable"),
    [
        (RunFacts(), ["directional", "realised", "exact"]),
        (RunFacts(mixed_precision="bf16", autocast=True), ["directional", "realised", "exact"]),
        (RunFacts(mixed_precision="fp16", autocast=True), ["realised", "realised", "realised"]),
        (RunFacts(weights="torch.bfloat16"), ["exact", "realised", "exact"]),
        (RunFacts(sharding="DeepSpeed"), ["realised", "realised", "realised"]),
        (RunFacts(sharding="FSDP1"), ["realised", "realised", "realised"]),
        (RunFacts(sharding="FSDP2"), ["directional", "realised", "exact"]),
        (RunFacts(sharding="FSDP2", computes_in="torch.bfloat16"), ["exact", "realised", "exact"]),
        (RunFacts(sharding="FSDP2", begins_inside_a_window=True), ["realised", "realised", "realised"]),
        (
            RunFacts(begins_inside_a_window=True, several_updates=True, dropout=True),
            ["directional", "realised", "exact"],
        ),
    ],
    ids=str,
)
def test_what_is_used_where_the_one_asked_for_cannot_be_right(facts: RunFacts, usable: list[str]) -> None:
    asked = [ESTIMATORS[name] for name in ("directional", "realised", "exact")]
    assert [estimator.usable(facts).name for estimator in asked] == usable
    for estimator in asked:
        assert (estimator.obstacle(facts) is None) == (estimator.usable(facts) is estimator)


def test_rounding_is_said_of_the_realised_influence_alone() -> None:
    for facts, words in [
        (RunFacts(weights="torch.bfloat16"), "the model has torch.bfloat16 weights, .* its own length"),
        (RunFacts(sharding="DeepSpeed", computes_in="bf16"), "DeepSpeed computes in bf16, .* 0.1 of its length"),
        (RunFacts(sharding="FSDP1", computes_in="torch.float16"), "FSDP computes in torch.float16, .* 0.1"),
    ]:
        assert re.search(words, ESTIMATORS["realised"].caution(facts) or "")
        assert ESTIMATORS["exact"].caution(facts) is ESTIMATORS["directional"].caution(facts) is None
    assert ESTIMATORS["realised"].caution(RunFacts(autocast=True, mixed_precision="bf16")) is None


def test_what_they_cost() -> None:
    assert ESTIMATORS["exact"].passes(3) == (1, 3)
    assert ESTIMATORS["realised"].passes(3) == (1, 0)
    assert ESTIMATORS["directional"].passes(3, "one-sided") == (2, 1)
    assert ESTIMATORS["directional"].passes(16, "symmetric") == (3, 1)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_is_a_method_of_the_rule_and_has_a_row_in_the_docs(name: str) -> None:
    assert GradientInfluence(method=name).request.method == name
    assert f"\n| `{name}`" in RULES_PAGE.read_text()
