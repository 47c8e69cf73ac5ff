"""The paper's four models in tiny random form: every algorithm takes real steps with each under the gradient rule."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    MinistralConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen3Config,
)

from paretune import GradientInfluence, MultiObjectiveConfig, MultiObjectiveTrainer, Objective
from paretune.record.run_directory import read_steps
from policies import brief, digits, letters, prompts, tokenizer

TINY: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "initializer_range": 0.15,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 2,
    "tie_word_embeddings": False,
    "attention_dropout": 0.0,
}
PLAIN_ROPE = {"rope_type": "default", "rope_theta": 10_000.0}
FAMILIES: dict[str, tuple[type[PreTrainedConfig], dict[str, Any]]] = {
    # Normalised queries and keys, grouped heads.
    "Qwen3-8B": (
        Qwen3Config,
        {
            "num_key_value_heads": 2, "head_dim": 16, "rms_norm_eps": 1e-6, "max_position_embeddings": 40_960,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
        },
    ),
    # As many key and value heads as query heads.
    "DeepSeek-LLM-7B-chat": (
        LlamaConfig,
        {"num_key_value_heads": 4, "max_position_embeddings": 4096, "rope_parameters": PLAIN_ROPE},
    ),
    # Grouped heads, and positions stretched from 8192; several tokens end a completion.
    "Llama-3.1-8B-Instruct": (
        LlamaConfig,
        {
            "num_key_value_heads": 2, "max_position_embeddings": 131_072, "rms_norm_eps": 1e-5,
            "eos_token_id": [1, 3],
            "rope_parameters": {
                "rope_type": "llama3", "rope_theta": 500_000.0, "factor": 8.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
            },
        },
    ),
    # Its config says `mistral`, with a sliding window, here shorter than what it reads.
    "Ministral-8B-Instruct-2410": (
        MistralConfig,
        {
            "num_key_value_heads": 2, "head_dim": 16, "sliding_window": 8, "max_position_embeddings": 32_768,
            "rope_parameters": {"rope_type": "default", "rope_theta": 100_000_000.0},
        },
    ),
    # As transformers reads a `mistral` config that names the kinds of its layers: full and sliding attention in turn.
    "Ministral-8B-Instruct-2410, by layers": (
        MinistralConfig,
        {
            "num_key_value_heads": 2, "head_dim": 16, "sliding_window": 8, "max_position_embeddings": 32_768,
            "layer_types": ["full_attention", "sliding_attention", "sliding_attention"],
            "rope_parameters": {"rope_type": "default", "rope_theta": 100_000_000.0},
        },
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda name: name.replace(", ", "-").replace(" ", "-"))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The family's tiny policy in a folder, as a user would have it."""
    directory = tmp_path_factory.mktemp("policy")
    config_class, options = FAMILIES[request.param]
    characters = tokenizer()
    torch.manual_seed(0)
    policy = AutoModelForCausalLM.from_config(config_class(**{**TINY, **options, "vocab_size": len(characters)}))
    assert 100_000 < policy.num_parameters() < 400_000
    policy.save_pretrained(directory)
    characters.save_pretrained(directory)
    assert type(AutoConfig.from_pretrained(directory)) is config_class
    return str(directory)


ALGORITHMS = {"grpo": 0.001, "rloo": 0.0, "reinforce++": 0.001}  # and a factor of the KL term


@pytest.mark.parametrize(
    ("model", "algorithm"),
    [
        pytest.param(family, algorithm, marks=[] if number % 3 == place else [pytest.mark.slow])
        for number, family in enumerate(FAMILIES)
        for place, algorithm in enumerate(ALGORITHMS)
    ],
    indirect=["model"],
    ids=lambda name: name.replace(", ", "-").replace(" ", "-"),
)
@pytest.mark.turns
def test_a_step_with_every_algorithm(algorithm: str, model: str, tmp_path: Path) -> None:
    # Shaped like the recipes: two updates a batch, the mean over a micro-batch's tokens, exact clipped influence of the
    # middle blocks with the KL term in it.
    config = MultiObjectiveConfig(
        str(tmp_path), advantage_estimator=algorithm, beta=ALGORITHMS[algorithm], loss_type="bnpo",
        learning_rate=1e-3, max_steps=4,
        per_device_train_batch_size=8, gradient_accumulation_steps=1, steps_per_generation=2, num_generations=4,
        max_completion_length=10, epsilon=100.0, epsilon_high=100.0, delta=100.0, gradient_checkpointing=False,
        save_strategy="no", disable_tqdm=True, report_to=[],
    )  # fmt: skip
    objectives = [Objective("digits", digits), Objective("brief", brief), Objective("letters", letters)]
    rule = GradientInfluence(mu=1e-3, method="exact", layers="middle", include_kl=True, clip_norm=0.5)
    trainer = MultiObjectiveTrainer(model, objectives, config, prompts(), weighting=rule)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.train()

    batches = read_steps(tmp_path)
    assert [line["step"] for line in batches] == [2, 4]
    for line in batches:
        weights, influence = line["weights"].values(), line["influence"].values()
        assert all(0 < w < 1 for w in weights)
        assert sum(weights) == pytest.approx(1)
        assert all(math.isfinite(i) for i in influence)
        assert any(i != 0 for i in influence)
        assert line["estimator"]["method"] == "exact"
    assert set(batches[-1]["weights"].values()) != {1 / 3}
    for name, parameter in trainer.model.named_parameters():
        assert torch.isfinite(parameter).all(), name
        assert not torch.equal(parameter, before[name]), name
