"""KL between policies: numbers worked by hand, and what must not matter."""

from math import inf, isnan, log

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel

from paretune.choosing import token_kl as module
from paretune.choosing.token_kl import Sample, both_ways, completion_kl, token_kl
from policies import ALPHABET, policy

SAMPLES = [
    Sample([5, 6, 7], [8, 9, 10, 1]),
    Sample([4], [20]),
    Sample([3, 4, 5, 6, 7, 8, 9, 10, 11], [12, 13]),
    Sample([14, 15], [16, 17, 18, 19, 20, 21, 22]),
]


def by_hand(policy, other, sample, temperature=1.0):
    """Each next-token distribution from a forward pass over its own prefix alone, without any padding."""
    total = 0.0
    for t in range(len(sample.completion)):
        ids = torch.tensor([sample.prompt + sample.completion[:t]])
        with torch.no_grad():
            p, q = (np.exp(z - z.max()) for z in (m(ids).logits[0, -1].numpy() / temperature for m in (policy, other)))
        p, q = p / p.sum(), q / q.sum()
        total += sum(p[v] * log(p[v] / q[v]) for v in range(len(p)))
    return total


def test_two_tokens():
    p, q = torch.tensor([0.75, 0.25]).double().log(), torch.tensor([0.5, 0.5]).double().log()
    assert token_kl(p, q).item() == pytest.approx(0.75 * log(1.5) + 0.25 * log(0.5), abs=1e-15)
    assert token_kl(q, p).item() == pytest.approx(0.5 * log(2 / 3) + 0.5 * log(2), abs=1e-15)
    # At temperature 1/2 the odds of 3 to 1 become 9 to 1.
    assert token_kl(p, q, 0.5).item() == pytest.approx(0.9 * log(1.8) + 0.1 * log(0.2), abs=1e-15)


def test_tokens_that_cannot_be():
    certain, even = torch.tensor([0.0, -inf]), torch.tensor([0.0, 0.0])
    assert token_kl(certain, even).item() == pytest.approx(log(2))
    assert token_kl(even, certain).item() == inf
    assert token_kl(certain, certain).item() == 0.0


@given(
    st.lists(st.floats(-40, 40, width=32), min_size=4, max_size=4),
    st.lists(st.floats(-40, 40, width=32), min_size=4, max_size=4),
    st.floats(-10, 10, width=32),
)
def test_never_negative_and_zero_for_the_same(a, b, shift):
    p, q = torch.tensor(a), torch.tensor(b)
    assert token_kl(p, q).item() >= 0
    assert token_kl(p, p).item() == 0.0
    assert token_kl(p.double(), q.double() + shift).item() == pytest.approx(
        token_kl(p.double(), q.double()).item(), abs=1e-12
    )


def test_half_precision_is_raised():
    p = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    assert token_kl(p.bfloat16(), p.flip(-1).bfloat16()).dtype == torch.float32
    assert token_kl(p.double(), p.double()).dtype == torch.float64


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_completions_as_by_hand(temperature):
    a, b = policy(seed=1).double().eval(), policy("llama", seed=2).double().eval()
    for one, other in ((a, b), (b, a)):
        found = completion_kl(one, other, SAMPLES, temperature=temperature)
        expected = [by_hand(one, other, sample, temperature) for sample in SAMPLES]
        np.testing.assert_allclose(found, expected, rtol=1e-10)
        assert (found > 0.01).all()
    assert (completion_kl(a, a, SAMPLES) == 0).all()


def test_batches_and_chunks_do_not_matter(monkeypatch):
    a, b = policy(seed=1).double().eval(), policy(seed=2).double().eval()
    whole = completion_kl(a, b, SAMPLES, batch_size=4)
    np.testing.assert_allclose(completion_kl(a, b, SAMPLES, batch_size=1), whole, rtol=1e-12)
    np.testing.assert_allclose(completion_kl(a, b, SAMPLES[::-1], batch_size=3)[::-1], whole, rtol=1e-12)
    monkeypatch.setattr(module, "FORWARD_ELEMENTS", 1)
    monkeypatch.setattr(module, "KL_ELEMENTS", 2 * (len(ALPHABET) + 3))  # two tokens at once
    np.testing.assert_allclose(completion_kl(a, b, SAMPLES), whole, rtol=1e-12)


def test_samples_of_similar_length_pass_together():
    a, b = policy(seed=1).eval(), policy(seed=2).eval()
    mixed = [Sample([3, 4], [5] * length) for length in (20, 1, 2, 19, 1, 18)]
    shapes = []
    hook = a.register_forward_pre_hook(
        lambda _, __, kept: shapes.append(tuple(kept["input_ids"].shape)), with_kwargs=True
    )
    completion_kl(a, b, mixed, batch_size=3)
    hook.remove()
    assert shapes == [(3, 4), (3, 22)]


def test_padding_does_not_shift_learned_positions():
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=26, n_positions=32, n_embd=16, n_layer=1, n_head=2, initializer_range=0.5)
    a, b = (GPT2LMHeadModel(config).double().eval() for _ in range(2))
    np.testing.assert_allclose(completion_kl(a, b, SAMPLES), [by_hand(a, b, s) for s in SAMPLES], rtol=1e-10)


def test_nothing_to_measure():
    a = policy().eval()
    assert completion_kl(a, a, []).shape == (0,)


def test_both_ways_by_hand():
    # Two prompts: a's completions have 1 and 3 tokens, b's 2 and 2.
    found = both_ways(np.array([1.0, 1.0]), [1, 3], np.array([2.0, 6.0]), [2, 2])
    assert (found.a_b, found.b_a, found.mean) == (0.5, 2.0, 1.25)
    # Deviations of a: (1 − 0.5, 1 − 1.5) / 2 = ±1/4; of b: (2 − 4, 6 − 4) / 2 = ∓1; each √(Σ d² / (2·1)).
    assert found.a_b_error == pytest.approx(0.25)
    assert found.b_a_error == pytest.approx(1.0)
    assert found.mean_error == pytest.approx(0.375)  # they lean opposite ways: (1 − 1/4) / 2


def test_equal_lengths_give_the_usual_standard_error():
    sums = np.random.default_rng(0).exponential(size=50)
    found = both_ways(sums, [4] * 50, sums, [4] * 50)
    expected = sums.std(ddof=1) / 4 / 50**0.5
    assert [found.a_b_error, found.b_a_error, found.mean_error] == pytest.approx([expected] * 3)


def test_the_standard_error_is_right_on_average():
    """Against the spread of the estimate itself over many draws, with lengths that go along with the KL."""
    rng = np.random.default_rng(1)
    means, errors = [], []
    for _ in range(2000):
        lengths = rng.integers(1, 40, size=(2, 64))
        shared = rng.normal(size=64)  # a hard prompt is one for both
        sums = lengths * np.exp(0.3 * shared + 0.5 * rng.normal(size=(2, 64)))
        found = both_ways(sums[0], lengths[0], sums[1], lengths[1])
        means.append(found.mean)
        errors.append(found.mean_error)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.07)


def test_one_prompt_has_no_standard_error():
    found = both_ways(np.array([1.0]), [2], np.array([3.0]), [2])
    assert found.mean == 1.0
    assert isnan(found.mean_error)
