"""What a policy does on a task: the objectives' metrics, over all answers and by the style of the answer."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from paretune.objectives import Objective

BATCH = 256
"""Prompts that are answered at once."""


@torch.no_grad()
def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    longest: int,
    *,
    sample: bool,
) -> list[list[int]]:
    """One answer to each prompt as token ids, the end-of-text token included, cut after ``longest`` tokens.

    Args:
        model: the policy.
        tokenizer: its tokenizer.
        prompts: the prompts; one that is to be answered several times comes several times.
        longest: tokens an answer may have.
        sample: draw at temperature 1; otherwise greedy.
    """
    answers: list[list[int]] = []
    for start in range(0, len(prompts), BATCH):
        batch = list(prompts[start : start + BATCH])
        inputs = tokenizer(batch, return_tensors="pt", padding=True, padding_side="left")
        tokens = model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=longest,
            do_sample=sample,
        )
        for row in tokens[:, inputs["input_ids"].shape[1] :].tolist():
            end = row.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in row else len(row)
            answers.append(row[:end])
    return answers


def measure(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Dataset,
    objectives: Sequence[Objective],
    style_of: Callable[..., str],
    longest: int,
    *,
    samples: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """The mean of every objective's metric, over all answers and by style with the style's share.

    Args:
        model: the policy.
        tokenizer: its tokenizer.
        rows: of a split, with the columns that the objectives take.
        objectives: with plain functions for rewards and metrics.
        style_of: called with a completion and the row's columns as keywords, gives the name of its style.
        longest: tokens an answer may have.
        samples: answers to each prompt, drawn at temperature 1 after seeding torch; None for one greedy answer.
        seed: of the samples.
    """
    torch.manual_seed(seed)
    asked = rows.select([i for i in range(len(rows)) for _ in range(samples or 1)])
    ids = generate(model, tokenizer, asked["prompt"], longest, sample=samples is not None)
    texts = [tokenizer.decode(answer, skip_special_tokens=True) for answer in ids]
    columns = {name: list(asked[name]) for name in asked.column_names if name != "prompt"}
    keywords = {"prompts": list(asked["prompt"]), "completions": texts, "completion_ids": ids, **columns}
    functions: list[Any] = [objective.metric or objective.reward for objective in objectives]
    metrics = np.array([function(**keywords) for function in functions])
    styles = np.array([style_of(text, **{name: columns[name][i] for name in columns}) for i, text in enumerate(texts)])

    def means(chosen: Any) -> dict[str, float]:
        values = metrics[:, chosen].mean(axis=1)
        return {objective.name: round(float(value), 4) for objective, value in zip(objectives, values, strict=True)}

    return means(slice(None)) | {
        "styles": {
            str(style): {"share": round(float((styles == style).mean()), 4)} | means(styles == style)
            for style in np.unique(styles)
        }
    }
