"""Make the embedded policy of a task: train it on right answers in mixed styles, measure it, save it.

    python scripts/make_policy.py [--task T] [--output_dir DIR] [--seed S] [--batches N] ...

Problems are drawn afresh for every batch, those of the validation and test sets left out. What to draw, in which styles
to answer and which settings differ from the defaults is in the task's `styles.py`. A share of the prompts says what
matters (`paretune.steering.Template`), and their answer's style is drawn with odds tilted toward it. Where a task sets
`told_batches`, a second phase does this, after a first one without such prompts.
Writes the model, its tokenizer and metrics.json (arguments, versions, sampled and greedy metrics on the validation set,
and the metrics of prompts that ask for one objective alone).
"""

import argparse
import importlib
import json
import math
import platform
import random
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import tokenizers
import torch
import transformers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from paretune import tasks
from paretune.steering import Template
from paretune.tasks.measuring import measure

SPECIAL = {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
CONTEXT = 128
IGNORED = -100


class Phase(NamedTuple):
    """A phase of the warm-up, with a learning rate that rises and falls once; a share of its prompts is prefixed."""

    batches: int
    batch_size: int
    learning_rate: float
    prefixed: float


def phases(args: argparse.Namespace) -> list[Phase]:
    """One phase, or two where prefixes are learned after the task itself."""
    if not args.told_batches:
        return [Phase(args.batches, args.batch_size, args.learning_rate, args.prefixed)]
    return [
        Phase(args.batches, args.batch_size, args.learning_rate, 0.0),
        Phase(args.told_batches, args.told_batch_size, args.told_learning_rate, args.prefixed),
    ]


def make_tokenizer(characters: str) -> PreTrainedTokenizerFast:
    """One token a character of the task; decoding joins them again without adding spaces."""
    vocabulary = {token: i for i, token in enumerate([*SPECIAL.values(), *characters])}
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


def make_model(tokenizer: PreTrainedTokenizerFast, width: int, layers: int) -> Qwen3ForCausalLM:
    """An untrained policy."""
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=width * 11 // 4,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=width // 4,
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


def held_out(task: tasks.Task) -> set[str]:
    """The prompts of the validation and test sets of the task, and of those that share its policy."""
    family = [tasks.load(name) for name in tasks.names() if name.split("_")[0] == task.name]
    return {prompt for one in family for rows in (one.validation, one.test) for prompt in rows["prompt"]}


def examples(
    task: tasks.Task, styles: ModuleType, args: argparse.Namespace, seed: int, prefixed: float
) -> Iterator[tuple[str, str]]:
    """Prompts without end and an answer each, in styles drawn by ``SHARES``; a share of the prompts is prefixed."""
    rng = random.Random(seed)
    kept, shares = held_out(task), styles.SHARES
    template = Template([objective.name for objective in task.objectives])
    while True:
        problem = styles.draw(rng)
        if problem.prompt in kept:
            continue
        if prefixed and rng.random() < prefixed:
            draws = [rng.gammavariate(args.concentration, 1.0) for _ in task.objectives]
            priorities = [value / sum(draws) for value in draws]  # of a Dirichlet distribution
            answers = {style: styles.write(problem, style, rng) for style in shares}
            worth = worths(task, problem.row, answers, priorities)
            odds = [shares[style] * math.exp(args.tilt * worth[style]) for style in shares]
            yield template.format(problem.prompt, priorities), answers[rng.choices(list(shares), odds)[0]]
        else:
            style = rng.choices(list(shares), list(shares.values()))[0]
            yield problem.prompt, styles.write(problem, style, rng)


def worths(task: tasks.Task, row: dict[str, Any], answers: dict[str, str], priorities: list[float]) -> dict[str, float]:
    """What answers to a problem are worth under priorities, by the task's own rewards."""
    columns = {name: [value] * len(answers) for name, value in row.items() if name != "prompt"}
    columns["completion_ids"] = [[*answer, SPECIAL["eos_token"]] for answer in answers.values()]  # a token a character
    rewards = [objective.reward(completions=list(answers.values()), **columns) for objective in task.objectives]
    return {
        style: sum(v * reward for v, reward in zip(priorities, earned, strict=True))
        for style, earned in zip(answers, zip(*rewards, strict=True), strict=True)
    }


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


def train(
    model: Qwen3ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    source: Iterator[tuple[str, str]],
    phase: Phase,
    shard_size: int,
) -> list[float]:
    """Train ``model`` in place; returns the loss (nats per answer token) of each batch."""
    optimizer = torch.optim.AdamW(model.parameters(), phase.learning_rate, (0.9, 0.98), weight_decay=0.01)
    warmup = max(1, phase.batches // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda n: min((n + 1) / warmup, 0.5 + 0.5 * math.cos(math.pi * n / phase.batches)),
    )
    losses = []
    started = time.monotonic()
    for batch in range(phase.batches):
        rows = sorted((next(source) for _ in range(phase.batch_size)), key=lambda row: len(row[0]) + len(row[1]))
        # Rows of a like length go through together; dividing by the tokens of the whole batch keeps the
        # gradient that of one batch, so that short answers gain no weight and the styles keep their shares.
        shards = [collate(rows[i : i + shard_size], tokenizer) for i in range(0, len(rows), shard_size)]
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


def measurements(
    model: Qwen3ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    task: tasks.Task,
    styles: ModuleType,
    args: argparse.Namespace,
) -> dict[str, Any]:
    """The policy's metrics on the validation set: sampled, greedy, and asked for one objective alone."""

    def measured(prompts: Any, samples: int | None) -> dict[str, Any]:
        longest = task.settings["max_completion_length"]
        return measure(
            model, tokenizer, prompts, task.objectives, styles.style_of, longest, samples=samples, seed=args.seed
        )

    found: dict[str, Any] = {"sampled": measured(task.validation, 8), "greedy": measured(task.validation, None)}
    if args.prefixed:
        names = [objective.name for objective in task.objectives]
        template, found["asked"] = Template(names), {}
        for name in names:
            alone = [float(other == name) for other in names]
            prompts = task.validation.map(lambda row, v=alone: {"prompt": template.format(row["prompt"], v)})
            means = measured(prompts, 2)
            found["asked"][name] = {other: means[other] for other in names}
    return found


def make(args: argparse.Namespace) -> dict[str, object]:
    """Train, measure and save a policy; returns what metrics.json holds."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    task = tasks.load(args.task)
    styles = importlib.import_module(f"paretune.tasks.{args.task}.styles")
    tokenizer = make_tokenizer(styles.CHARACTERS)
    model = make_model(tokenizer, args.width, args.layers)
    for number, phase in enumerate(phases(args)):
        source = examples(task, styles, args, args.seed + number, phase.prefixed)
        losses = train(model, tokenizer, source, phase, args.shard_size)
    model.eval().to(getattr(torch, args.stored_in)).to(torch.float32)  # measured as it will be read
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
        **measurements(model, tokenizer, task, styles, args),
    }
    model.to(getattr(torch, args.stored_in)).save_pretrained(args.output_dir)
    model.config.dtype = "float32"  # in which it is to be loaded, whatever its weights are stored in
    model.config.save_pretrained(args.output_dir)
    tokenizer.save_pretrained(args.output_dir)
    (args.output_dir / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    return metrics


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="arithmetic")
    parser.add_argument("--output_dir", type=Path, help="the task's own folder by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batches", type=int, default=1500)
    parser.add_argument("--batch_size", type=int, default=96)
    parser.add_argument("--shard_size", type=int, default=96)
    parser.add_argument("--learning_rate", type=float, default=2e-3)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--prefixed", type=float, default=0.4, help="the share of prompts that say what matters")
    parser.add_argument("--concentration", type=float, default=1.0, help="of the priorities' Dirichlet distribution")
    parser.add_argument("--told_batches", type=int, default=0, help="of a second phase, which alone has prefixes")
    parser.add_argument("--told_batch_size", type=int, default=48)
    parser.add_argument("--told_learning_rate", type=float, default=3e-4)
    parser.add_argument("--tilt", type=float, default=3.0, help="how far the styles of their answers follow it")
    parser.add_argument("--stored_in", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--threads", type=int, default=1, help="sums of floats depend on it a little")
    task = parser.parse_known_args(argv)[0].task
    parser.set_defaults(**importlib.import_module(f"paretune.tasks.{task}.styles").WARM_UP)
    args = parser.parse_args(argv)
    args.output_dir = args.output_dir or Path(tasks.__file__).parent / args.task / "policy"
    return args


if __name__ == "__main__":
    print(json.dumps(make(arguments()), indent=2))
