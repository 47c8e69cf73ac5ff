"""Make the policy shipped with the arithmetic task: train it on answers in mixed styles, measure it, save it.

    python scripts/make_policy.py [--output_dir DIR] [--seed S] [--batches N] ...

Sums are drawn afresh for every batch, those of the validation and test sets left out. Writes the model,
its tokenizer and metrics.json (arguments, versions, sampled and greedy metrics on the validation set).
"""

import argparse
import json
import math
import platform
import random
import time
from collections.abc import Iterator
from pathlib import Path

import tokenizers
import torch
import transformers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from paretune.tasks.arithmetic.measure import measure
from paretune.tasks.arithmetic.problems import Problem, draw, splits
from paretune.tasks.arithmetic.styles import SHARES, write

POLICY = Path(__file__).parents[1] / "src/paretune/tasks/arithmetic/policy"
SPECIAL = {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
CHARACTERS = "\n +.:=?0123456789epst"
CONTEXT = 128
IGNORED = -100


def make_tokenizer() -> PreTrainedTokenizerFast:
    """One token a character of the task; decoding joins them again without adding spaces."""
    vocabulary = {token: i for i, token in enumerate([*SPECIAL.values(), *CHARACTERS])}
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token=SPECIAL["unk_token"]))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex(r"[\s\S]"), "isolated")
    backend.decoder = tokenizers.decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        padding_side="left",
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        **SPECIAL,
    )


def make_model(tokenizer: PreTrainedTokenizerFast) -> Qwen3ForCausalLM:
    """An untrained policy of about 0.8 M parameters."""
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        dtype="float32",
    )
    model = Qwen3ForCausalLM(config)
    # Generation at the settings of training: nothing here may cut the distribution.
    model.generation_config.update(do_sample=True, temperature=1.0, top_k=0, top_p=1.0)
    return model


def examples(rng: random.Random, held_out: set[Problem]) -> Iterator[tuple[str, str]]:
    """Endless prompts with an answer each, its style drawn by ``SHARES``."""
    styles, shares = list(SHARES), list(SHARES.values())
    while True:
        problem = draw(rng)
        if problem not in held_out:
            yield problem.prompt, write(problem, rng.choices(styles, shares)[0], rng)


def collate(rows: list[tuple[str, str]], tokenizer: PreTrainedTokenizerFast) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and labels, [N, T] each, padded on the right; prompts and padding are not learned."""
    questions = tokenizer([prompt for prompt, _ in rows])["input_ids"]
    answers = tokenizer([answer for _, answer in rows])["input_ids"]
    width = max(len(q) + len(a) for q, a in zip(questions, answers, strict=True)) + 1
    ids = torch.full((len(rows), width), tokenizer.pad_token_id)
    labels = torch.full((len(rows), width), IGNORED)
    for i, (question, answer) in enumerate(zip(questions, answers, strict=True)):
        text = torch.tensor([*question, *answer, tokenizer.eos_token_id])
        ids[i, : len(text)] = text
        labels[i, len(question) : len(text)] = text[len(question) :]
    return ids, labels


def train(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, args: argparse.Namespace) -> list[float]:
    """Train ``model`` in place; returns the loss (nats per answer token) of each batch."""
    data = splits()
    source = examples(random.Random(args.seed), {*data["validation"], *data["test"]})
    optimizer = torch.optim.AdamW(model.parameters(), args.learning_rate, (0.9, 0.98), weight_decay=0.01)
    warmup = max(1, args.batches // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda n: min((n + 1) / warmup, 0.5 + 0.5 * math.cos(math.pi * n / args.batches)),
    )
    losses = []
    started = time.monotonic()
    for batch in range(args.batches):
        rows = sorted((next(source) for _ in range(args.batch_size)), key=lambda row: len(row[0]) + len(row[1]))
        # Rows of a like length go through together; dividing by the tokens of the whole batch keeps the
        # gradient that of one batch, so that short answers gain no weight and the styles keep their shares.
        shards = [collate(rows[i : i + args.shard_size], tokenizer) for i in range(0, len(rows), args.shard_size)]
        tokens = sum(int((labels != IGNORED).sum()) for _, labels in shards)
        losses.append(0.0)
        for ids, labels in shards:
            logits = model(input_ids=ids).logits[:, :-1]
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED, reduction="sum"
            )
            (loss / tokens).backward()
            losses[-1] += loss.item() / tokens
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if (batch + 1) % 50 == 0:
            recent = sum(losses[-50:]) / 50
            print(
                f"batch {batch + 1}: loss {recent:.4f}, {time.monotonic() - started:.0f} s elapsed",
                flush=True,
            )
    return losses


def make(args: argparse.Namespace) -> dict[str, object]:
    """Train, measure and save a policy; returns what metrics.json holds."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    losses = train(model, tokenizer, args)
    model.eval()
    problems = splits()["validation"]
    metrics = {
        "arguments": {name: value for name, value in vars(args).items() if name != "output_dir"},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__.split("+")[0],
            "transformers": transformers.__version__,
            "tokenizers": tokenizers.__version__,
        },
        "parameters": model.num_parameters(),
        "loss": sum(losses[-50:]) / len(losses[-50:]),
        "sampled": measure(model, tokenizer, problems, samples=8, seed=args.seed),
        "greedy": measure(model, tokenizer, problems),
    }
    model.save_pretrained(args.output_dir)
    tokenizer.save_pretrained(args.output_dir)
    (args.output_dir / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    return metrics


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_dir", type=Path, default=POLICY)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batches", type=int, default=1300)
    parser.add_argument("--batch_size", type=int, default=96)
    parser.add_argument("--shard_size", type=int, default=24)
    parser.add_argument("--learning_rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2, help="sums of floats depend on it a little")
    return parser.parse_args(argv)


if __name__ == "__main__":
    print(json.dumps(make(arguments()), indent=2))
