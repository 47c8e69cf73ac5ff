"""What a policy does on sums: the objectives' means, and how often it answers in which style."""

from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from paretune.tasks.arithmetic.problems import Problem
from paretune.tasks.arithmetic.scoring import TOKEN_BUDGET, accuracy, clarity


def style_of(completion: str) -> str:
    """The kind of answer a text is: "bare", "chained" (paired or not) or "numbered" (wholly or partly)."""
    if "step" in completion:
        return "numbered"
    return "chained" if "=" in completion else "bare"


@torch.no_grad()
def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: list[Problem],
    samples: int | None = None,
    batch_size: int = 256,
) -> tuple[list[Problem], list[list[int]]]:
    """Answers to ``problems`` as token ids, the end-of-text token included; greedy unless ``samples`` says
    how many to draw for each at temperature 1. Also returns the problem of each answer.
    """
    asked = [problem for problem in problems for _ in range(samples or 1)]
    answers: list[list[int]] = []
    for start in range(0, len(asked), batch_size):
        prompts = [problem.prompt for problem in asked[start : start + batch_size]]
        inputs = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left")
        tokens = model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=TOKEN_BUDGET,
            do_sample=samples is not None,
        )
        for row in tokens[:, inputs["input_ids"].shape[1] :].tolist():
            end = row.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in row else len(row)
            answers.append(row[:end])
    return asked, answers


def measure(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: list[Problem],
    samples: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Mean accuracy, length (tokens) and clarity, overall and by style with the style's share.

    Greedy, or over ``samples`` answers to each problem drawn at temperature 1 after seeding torch.
    """
    torch.manual_seed(seed)
    asked, answers = generate(model, tokenizer, problems, samples)
    texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in answers]
    rows = list(
        zip(
            accuracy(texts, [problem.answer for problem in asked]),
            map(len, answers),
            clarity(texts, [problem.numbers for problem in asked]),
            strict=True,
        )
    )

    def means(chosen: list[tuple[float, int, float]]) -> dict[str, float]:
        return {
            name: round(sum(column) / len(chosen), 4)
            for name, column in zip(("accuracy", "length", "clarity"), zip(*chosen, strict=True), strict=True)
        }

    styles: dict[str, list[tuple[float, int, float]]] = {}
    for text, row in zip(texts, rows, strict=True):
        styles.setdefault(style_of(text), []).append(row)
    return means(rows) | {
        "styles": {
            name: {"share": round(len(chosen) / len(rows), 4)} | means(chosen)
            for name, chosen in sorted(styles.items())
        }
    }
