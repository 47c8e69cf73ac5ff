"""GRPO trainings of ms-swift, one after the other; it runs in an environment that has ms-swift.

Its argument is a folder with policy/, data.jsonl and table.json. Each training has a folder of its own there.
"""

import json
import os
import sys
from pathlib import Path

from swift.pipelines import rlhf_main
from swift.rewards import ORM, orms

HERE = Path(sys.argv[1])
BOUNDS = '{"Digits": (0, 1), "Letters": (0, 8)}'
RULES = {"fixed": "FixedWeights([0.5, 0.5])", "nash": "NashWelfare()", "tour": "FrontTour()", "gdpo": "Decoupled()"}


class Digits(ORM):
    def __call__(self, completions, **_):
        return [sum(c.isdigit() for c in text) / max(len(text), 1) for text in completions]


class Letters(ORM):
    def __call__(self, completions, **_):
        return [float(len({c for c in text if c.isalpha()})) for text in completions]


class Column(ORM):
    """Gives a column of the table, a batch at a call."""

    column: int

    def __init__(self, args=None, **_):
        self.batches = iter(json.loads((HERE / "table.json").read_text()))

    def __call__(self, completions, **_):
        return [completion[self.column] for prompt in next(self.batches) for completion in prompt]


orms.update(
    digits=Digits,
    letters=Letters,
    first=type("First", (Column,), {"column": 0}),
    second=type("Second", (Column,), {"column": 1}),
)


def train(name: str, rule: str | None = None, bounds: str = BOUNDS, **options: str) -> None:
    """One training, by a rule if a plugin is to set one."""
    settings = {
        "rlhf_type": "grpo", "model": "policy", "model_type": "qwen3", "template": "dummy", "dataset": "data.jsonl",
        "reward_funcs": "digits letters", "use_vllm": "false", "torch_dtype": "float32", "tuner_type": "full",
        "num_generations": "4", "per_device_train_batch_size": "4", "steps_per_generation": "2",
        "gradient_accumulation_steps": "2", "max_completion_length": "8", "max_length": "64", "max_steps": "4",
        "save_steps": "2", "logging_steps": "1", "learning_rate": "1e-2", "beta": "0", "add_version": "false",
        "report_to": "none", "dataset_num_proc": "1", "dataloader_num_workers": "0", "seed": "7", "output_dir": name,
        **options,
    }  # fmt: skip
    if rule is not None:
        plugin = HERE / f"plugin_{name}.py"
        made = f"import paretune\nfrom paretune.integrations.swift import weigh\nweigh(paretune.{rule}, {bounds})\n"
        plugin.write_text(made)
        settings["external_plugins"] = plugin.name
    rlhf_main([word for flag, value in settings.items() for word in (f"--{flag}", *value.split())])


os.chdir(HERE)
train("stock", reward_weights="0.5 0.5")
for name, rule in RULES.items():
    train(name, rule)
for name in ("nash", "tour", "gdpo"):
    train(f"{name}_resumed", RULES[name], resume_from_checkpoint=f"{name}/checkpoint-2")
for name in ("nash", "tour", "gdpo"):
    train(
        f"{name}_table", RULES[name], '{"First": (0, 1), "Second": (0, None)}', reward_funcs="first second",
        num_generations="2", max_steps="3", save_steps="100",
    )  # fmt: skip
