"""The private methods of TRL that the trainer stands on. If this fails, TRL has moved: read its change, then ours."""

import inspect

import pytest
from packaging.version import Version
from trl import GRPOTrainer
from trl import __version__ as trl_version

HOOKS = {
    "_prepare_inputs": ["self", "generation_batch"],
    "_generate": ["self", "prompts"],
    "_generate_and_score_completions": ["self", "inputs"],
    "_calculate_rewards": ["self", "inputs", "prompts", "completions", "completion_ids_list"],
    "compute_loss": ["self", "model", "inputs", "return_outputs", "num_items_in_batch"],
    "_compute_loss": ["self", "model", "inputs"],
    "training_step": ["self", "model", "inputs", "num_items_in_batch"],
    "_get_grad_norm": ["self", "model", "grad_norm"],
    "get_eval_dataloader": ["self", "eval_dataset"],
    "_save_checkpoint": ["self", "model", "trial"],
    "_load_from_checkpoint": ["self", "resume_from_checkpoint", "model"],
    "_load_optimizer_and_scheduler": ["self", "checkpoint"],
    "_load_scaler": ["self", "checkpoint"],
    "_load_rng_state": ["self", "checkpoint"],
}


@pytest.mark.parametrize("name", HOOKS)
def test_signature(name: str) -> None:
    assert list(inspect.signature(getattr(GRPOTrainer, name)).parameters) == HOOKS[name]


def test_the_forward_pass_gives_log_probs_entropies_and_aux_loss() -> None:
    source = inspect.getsource(GRPOTrainer._compute_loss)
    assert "per_token_logps, entropies, aux_loss = self._get_per_token_logps_and_entropies(" in source


def test_the_batch_is_buffered_shuffled_and_split() -> None:
    source = inspect.getsource(GRPOTrainer._prepare_inputs)
    for step in (
        "self._generate_and_score_completions(",
        "shuffle_sequence_dict(",
        "split_tensor_dict(",
        "self._buffered_inputs",
    ):
        assert step in source


def test_attributes_of_a_trainer() -> None:
    source = inspect.getsource(GRPOTrainer.__init__)
    names = (
        "reward_weights reward_func_names _metrics _logs _entropy_bonus_enabled aux_loss_enabled generation_config "
        "generation_kwargs num_generations_eval _step"
    )
    for name in names.split():
        assert f"self.{name}" in source, name


def test_version_is_one_we_know() -> None:
    assert Version("1.16") <= Version(trl_version) < Version("1.17")
