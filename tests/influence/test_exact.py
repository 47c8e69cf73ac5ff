"""The exact influence against the float64 gradients of TRL's own compute_loss."""

from pathlib import Path
from typing import Any

import pytest
import torch

from influence.comparison import LOSS_TYPES, WAYS_TO_FORM_THE_BATCH, Compared, run
from policies import ARCHITECTURES, policy


def assert_agrees(trainer: Compared, tolerance: float = 1e-6) -> None:
    assert trainer.measured
    for measured in trainer.measured:
        scale = measured.gramian.abs().max().item()
        assert scale > 0
        torch.testing.assert_close(measured.influence.gramian, measured.gramian, rtol=0, atol=tolerance * scale)
        expected = measured.gramian.sum(dim=1)
        torch.testing.assert_close(measured.influence.values, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@pytest.mark.turns
def test_every_loss_type(loss_type: str, tmp_path: Path) -> None:
    level = "sequence" if loss_type == "luspo" else "token"
    assert_agrees(run(tmp_path, method="exact", loss_type=loss_type, importance_sampling_level=level))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture(architecture: str, tmp_path: Path) -> None:
    assert_agrees(run(tmp_path, method="exact", architecture=architecture))


@pytest.mark.parametrize("options", WAYS_TO_FORM_THE_BATCH, ids=str)
@pytest.mark.turns
def test_every_way_to_form_the_batch(options: dict[str, Any], tmp_path: Path) -> None:
    assert_agrees(run(tmp_path, method="exact", **options))


@pytest.mark.parametrize("estimator", ["rloo", "reinforce++"])
def test_other_estimators(estimator: str, tmp_path: Path) -> None:
    assert_agrees(run(tmp_path, method="exact", advantage_estimator=estimator))


@pytest.mark.parametrize("checkpointing", [None, False, True])
@pytest.mark.parametrize("layers", ["middle", [0, 3]])
@pytest.mark.turns
def test_some_layers_only(layers: Any, checkpointing: bool | None, tmp_path: Path) -> None:
    options = {} if checkpointing is None else {"gradient_checkpointing_kwargs": {"use_reentrant": checkpointing}}
    trainer = run(
        tmp_path,
        method="exact",
        rule={"layers": layers},
        model=policy(layers=4).double(),
        gradient_checkpointing=checkpointing is not None,
        **options,
    )
    assert_agrees(trainer)


def test_dropout_draws_the_same_in_every_pass(tmp_path: Path) -> None:
    assert_agrees(run(tmp_path, method="exact", model=policy(dropout=0.3).double()))


def test_single_precision(tmp_path: Path) -> None:
    assert_agrees(run(tmp_path, method="exact", model=policy()), tolerance=1e-4)


def test_the_kl_term_counts_only_if_asked_for(tmp_path: Path) -> None:
    folder = str(tmp_path / "policy")
    policy().double().save_pretrained(folder)
    options = {"beta": 0.5, "model_init_kwargs": {"dtype": "auto"}, "learning_rate": 1e-2, "max_steps": 3}
    with_kl = run(tmp_path / "a", method="exact", model=folder, rule={"include_kl": True}, **options)
    assert_agrees(with_kl)  # compute_loss has the KL term in it
    without = run(tmp_path / "b", method="exact", model=folder, rule={"include_kl": False}, **options)
    # On the first batch policy and reference agree, and so do the two; later the KL gradient is there.
    last = without.measured[-1]
    assert (last.influence.gramian - last.gramian).abs().max() > 1e-3 * last.gramian.abs().max()


def test_clipping_to_the_norm_of_the_whole_model(tmp_path: Path) -> None:
    trainer = run(tmp_path, method="exact", rule={"clip_norm": 0.01})
    for measured in trainer.measured:
        norms = measured.gramian.diagonal().sqrt()
        factor = (0.01 / norms).clamp(max=1.0)
        assert (factor < 1).any()
        expected = measured.gramian * factor[:, None] * factor[None, :]
        torch.testing.assert_close(measured.influence.gramian, expected, rtol=1e-3, atol=0)
        assert measured.influence.values.abs().max() <= 3 * 0.01**2  # |I_k| ≤ K·clip²


def test_no_advantage_anywhere_is_influence_zero(tmp_path: Path) -> None:
    trainer = run(tmp_path, method="exact", temperature=1e-6)  # every completion of a group is the same
    for measured in trainer.measured:
        assert measured.influence.values.tolist() == [0.0, 0.0, 0.0]
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())
    assert trainer.weights == pytest.approx({"digits": 1 / 3, "brief": 1 / 3, "letters": 1 / 3})
