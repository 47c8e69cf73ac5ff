"""Passes without padding: the same influence as over TRL's micro-batches as they are, with fewer tokens."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from influence.comparison import LOSS_TYPES, run
from paretune.influence import Influence, LogProbs
from paretune.trainer import unpadded
from paretune.trainer.influence_meter import InfluenceMeter
from paretune.trainer.policy_loss import GRPOPolicyLoss
from paretune.trainer.unpadded import group_sizes
from paretune.weighting import InfluenceRequest
from policies import ALPHABET, policy

METHODS = ["directional", "exact", "crossed", "crossed-exact"]
ROWS, LONGEST = 8, 10


@pytest.fixture
def every_division(monkeypatch: pytest.MonkeyPatch) -> None:
    """Divide however little padding that spares."""
    monkeypatch.setattr(unpadded, "PASS", 0)


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """In float64, with a batch of two prompts."""
    trainer = run(tmp_path_factory.mktemp("run"), method="exact", max_steps=1)
    trainer.model.train()
    return trainer


class Passes:
    """Counts rows and tokens of a model's forward passes."""

    def __init__(self, model: Any) -> None:
        self.shapes: list[tuple[int, int]] = []
        self._model = model

    def __enter__(self) -> "Passes":
        self._hook = self._model.register_forward_pre_hook(self._note, with_kwargs=True)
        return self

    def __exit__(self, *_: Any) -> None:
        self._hook.remove()

    def _note(self, _: Any, __: Any, kwargs: Any) -> None:
        self.shapes.append(tuple(kwargs["input_ids"].shape))

    @property
    def tokens(self) -> int:
        return sum(rows * width for rows, width in self.shapes)


def batch_of(trainer: Any, lengths: list[int], seed: int, *, old: bool, tools: bool) -> list[dict[str, Any]]:
    """The trainer's batch with other completions, of these lengths."""
    (micro_batch,) = trainer._buffered_inputs
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.arange(LONGEST) < torch.tensor(lengths)[:, None]).long()
    drawn = torch.randint(3, len(ALPHABET) + 3, (ROWS, LONGEST), generator=generator)
    made = {**micro_batch, "completion_ids": drawn * mask, "completion_mask": mask, "num_items_in_batch": mask.sum()}
    if old:  # as TRL has them: 0 at padding
        spread = torch.rand(ROWS, LONGEST, generator=generator, dtype=torch.float64)
        made["old_per_token_logps"] = (-3 - spread) * mask
    if tools:
        made["tool_mask"] = torch.randint(0, 2, (ROWS, LONGEST), generator=generator) | (mask.cumsum(1) == 1)
    return [made]


def influence(trainer: Any, method: Any, batch: list[dict[str, Any]], advantages: Tensor) -> Influence:
    found = InfluenceMeter(trainer, InfluenceRequest(method)).before_update(batch, advantages)
    assert found.method == method
    return found


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    lengths=st.lists(st.integers(0, LONGEST), min_size=ROWS, max_size=ROWS),
    seed=st.integers(0, 2**16),
    method=st.sampled_from(METHODS),
    old=st.booleans(),
    tools=st.booleans(),
    quantile=st.sampled_from([1.0, 0.5]),
)
@pytest.mark.turns
def test_no_influence_depends_on_padding(
    loss_type: str,
    lengths: list[int],
    seed: int,
    method: str,
    old: bool,
    tools: bool,
    quantile: float,
    trainer: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trainer, "loss_type", loss_type)
    monkeypatch.setattr(trainer, "importance_sampling_level", "sequence" if loss_type == "luspo" else "token")
    monkeypatch.setattr(trainer, "top_entropy_quantile", quantile)
    batch = batch_of(trainer, lengths, seed, old=old, tools=tools)
    advantages = torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    monkeypatch.setattr(unpadded, "PASS", 0)
    with Passes(trainer.model) as passes:
        without = influence(trainer, method, batch, advantages)
    with monkeypatch.context() as as_it_is, Passes(trainer.model) as padded:
        as_it_is.setattr(unpadded, "_encodes_by_longest", lambda _: True)
        expected = influence(trainer, method, batch, advantages)
    # Rotary embeddings are float32, so passes of another width round otherwise. A difference of log-probabilities makes
    # that larger, by up to what it says of itself where the influences nearly cancel.
    apart = max(1e-6, *(one.check or 0.0 for one in (without, expected)))
    torch.testing.assert_close(without.values, expected.values, rtol=1e-6, atol=apart * float(expected.values.norm()))
    assert sum(rows for rows, _ in passes.shapes) == sum(rows for rows, _ in padded.shapes)
    assert passes.tokens <= padded.tokens
    if len(set(lengths)) > 1 and not method.startswith("crossed"):
        assert passes.tokens < padded.tokens


def log_probs(trainer: Any, batch: list[dict[str, Any]], rows: Tensor | None = None) -> LogProbs:
    with torch.no_grad():
        return GRPOPolicyLoss(trainer, batch, torch.zeros(ROWS, 1)).forward(batch[0], rows=rows)


@pytest.mark.usefixtures("every_division")
def test_rows_come_back_in_their_order_with_zeros_at_padding(trainer: Any) -> None:
    lengths = [3, 10, 1, 7, 3, 0, 10, 2]
    batch = batch_of(trainer, lengths, 0, old=False, tools=False)
    whole, mask = log_probs(trainer, batch), batch[0]["completion_mask"].bool()
    assert torch.equal(whole.values != 0, mask)
    assert whole.entropies is not None
    assert torch.equal(whole.entropies != 0, mask)
    for row in range(ROWS):
        alone = log_probs(trainer, batch, torch.tensor([row]))
        torch.testing.assert_close(alone.values[0], whole.values[row])


@pytest.fixture(params=["dropout", "dynamic positions", "sharded", "one length"])
def kept_together(request: Any, trainer: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[int], int]]:
    """Lengths of completions, and the one to which all rows pass together."""
    lengths = [3, 9, 1, 7, 3, 0, 9, 2]
    rotary = trainer.model.model.rotary_emb
    if request.param == "dropout":
        monkeypatch.setattr(trainer.model.model.layers[0].self_attn, "attention_dropout", 0.1)
        yield lengths, LONGEST
    elif request.param == "dynamic positions":
        monkeypatch.setattr(rotary, "rope_type", "dynamic")
        yield lengths, LONGEST
    elif request.param == "sharded":
        monkeypatch.setattr(trainer, "is_deepspeed_enabled", True)
        yield lengths, 9
    else:
        yield [4] * ROWS, 4


@pytest.mark.usefixtures("every_division")
def test_where_rows_pass_together(kept_together: tuple[list[int], int], trainer: Any) -> None:
    lengths, width = kept_together
    batch = batch_of(trainer, lengths, 0, old=False, tools=False)
    with Passes(trainer.model) as passes:
        log_probs(trainer, batch)
    assert passes.shapes == [(ROWS, batch[0]["prompt_ids"].shape[1] + width)]


@pytest.mark.usefixtures("every_division")
@pytest.mark.parametrize("method", ["directional", "exact"])
def test_absolute_positions_count_the_padding_of_prompts(method: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(ALPHABET) + 3, n_positions=64, n_embd=32, n_layer=2, n_head=2, initializer_range=0.15,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, eos_token_id=1, bos_token_id=None,
    )  # fmt: skip
    for measured in run(tmp_path, method=method, model=GPT2LMHeadModel(config).double()).measured:
        expected = measured.gramian.sum(dim=1)
        assert (measured.influence.values - expected).norm() < 0.01 * expected.norm()


@pytest.mark.usefixtures("every_division")
@pytest.mark.parametrize("method", ["directional", "crossed-exact"])
@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.turns
def test_under_gradient_checkpointing(method: Any, reentrant: bool, tmp_path: Path) -> None:
    told = {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": reentrant}}
    trainer = run(tmp_path, method="exact", max_steps=1, model=policy().double(), **told)
    trainer.model.train()
    batch = batch_of(trainer, [3, 10, 1, 7, 3, 0, 10, 2], 0, old=False, tools=False)
    advantages = torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    without = influence(trainer, method, batch, advantages)
    trainer.model.gradient_checkpointing_disable()
    padded = influence(trainer, method, batch, advantages)
    torch.testing.assert_close(without.values, padded.values, rtol=1e-6, atol=1e-9)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=70).map(sorted), st.integers(0, 300))
def test_a_division_spares_more_than_it_has_to(lengths: list[int], worth: int) -> None:
    sizes = group_sizes(lengths, worth)
    assert sum(sizes) == len(lengths)
    assert min(sizes) >= 1
    longest = [lengths[sum(sizes[: i + 1]) - 1] for i in range(len(sizes))]
    tokens = sum(size * length for size, length in zip(sizes, longest, strict=True))
    assert tokens <= len(lengths) * lengths[-1] - worth * (len(sizes) - 1)
    if worth == 0:
        assert tokens == sum(lengths)
    assert group_sizes(lengths, None) == [len(lengths)]
