"""Prompts with images: a tiny LLaVA, whose passes are TRL's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)
from trl import GRPOConfig, GRPOTrainer

from paretune import FixedWeights, GradientInfluence, MultiObjectiveTrainer
from paretune.record.run_directory import read_steps
from policies import brief, digits, tokenizer

TEMPLATE = (
    "{% for m in messages %}{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}{% endfor %}"
)


def processor() -> LlavaProcessor:
    characters = tokenizer()
    characters.add_special_tokens({"additional_special_tokens": ["<image>"]})
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8})
    return LlavaProcessor(
        pictures, characters, patch_size=4, vision_feature_select_strategy="default", chat_template=TEMPLATE,
        num_additional_image_tokens=1,
    )  # fmt: skip


def policy(words: int) -> LlavaForConditionalGeneration:
    """Reads a picture of 8 × 8 pixels as four tokens."""
    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=8, patch_size=4
        ),
        text_config=LlamaConfig(
            vocab_size=words, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=128, pad_token_id=0, eos_token_id=1, bos_token_id=None,
            initializer_range=0.15,
        ),
        image_token_id=words - 1,
        vision_feature_layer=-1,
    )  # fmt: skip
    return LlavaForConditionalGeneration(config)


def rows() -> Dataset:
    pictures = [Image.fromarray(np.full((8, 8, 3), 60 * shade, dtype=np.uint8)) for shade in range(4)]
    prompts = [[{"role": "user", "content": f"{n}+{n}="}] for n in range(4)]
    return Dataset.from_dict({"prompt": prompts, "image": pictures})


def written(completions: list[Any], **_: Any) -> list[float]:
    return digits([completion[-1]["content"] for completion in completions])


def train(kind: type[GRPOTrainer], directory: Path, steps: int = 2, **extra: Any) -> Any:
    config = GRPOConfig(
        str(directory), max_steps=steps, per_device_train_batch_size=4, num_generations=2, max_completion_length=6,
        use_cpu=True, bf16=False, report_to=[], gradient_checkpointing=False, save_strategy="no", learning_rate=1e-2,
        disable_tqdm=True,
    )  # fmt: skip
    reader = processor()
    trainer = kind(policy(len(reader.tokenizer)), [written, brief], config, rows(), processing_class=reader, **extra)
    trainer.train()
    return trainer


def test_with_fixed_weights_training_is_trls(tmp_path: Path) -> None:
    theirs = train(GRPOTrainer, tmp_path / "theirs")
    ours = train(MultiObjectiveTrainer, tmp_path / "ours", weighting=FixedWeights([1.0, 1.0]))
    pairs = zip(theirs.model.parameters(), ours.model.parameters(), strict=True)
    assert all(torch.equal(p, q) for p, q in pairs)


def test_with_pictures_both_estimators_measure_the_same_influence(tmp_path: Path) -> None:
    found = {}
    for method in ("exact", "directional"):
        directory = tmp_path / method
        train(MultiObjectiveTrainer, directory, 1, weighting=GradientInfluence(mu=1e-3, method=method))
        [step] = read_steps(directory)
        assert step["estimator"]["method"] == method
        found[method] = list(step["influence"].values())
    assert found["directional"] == pytest.approx(found["exact"], rel=0.02)
    assert any(found["exact"])
