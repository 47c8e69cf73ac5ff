"""The runs of the paper: its values, and the command lines that docs/recipes.md has for them."""

import itertools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "recipes"


GPUS = 8


@dataclass(frozen=True)
class Paper:
    """What the paper says of a model on a data set; per batch there are 8 completions a prompt."""

    task: str
    model: str
    prompts: int
    mini_batch: int
    prompt_tokens: int
    response_tokens: int
    epochs: int
    mu: float
    gradient_schedule: str


PAPER = {
    ("Math500", "Qwen3-8B"): Paper("math500", "Qwen/Qwen3-8B", 64, 32, 2048, 2048, 90, 1e-5, "polynomial"),
    ("MATH algebra", "Qwen3-8B"): Paper("math_algebra", "Qwen/Qwen3-8B", 512, 128, 2048, 2048, 50, 1e-4, "constant"),
    ("Math500", "DeepSeek-LLM-7B-chat"): Paper(
        "math500", "deepseek-ai/deepseek-llm-7b-chat", 64, 32, 1024, 512, 90, 1e-4, "constant"
    ),
    # The paper names these two models and SafeSQL; the sizes and schedules are ours to choose.
    ("Math500", "Ministral-8B"): Paper(
        "math500", "mistralai/Ministral-8B-Instruct-2410", 64, 32, 1024, 512, 90, 1e-4, "constant"
    ),
    ("Math500", "Llama-3.1-8B"): Paper(
        "math500", "meta-llama/Llama-3.1-8B-Instruct", 64, 32, 1024, 512, 90, 1e-4, "constant"
    ),
    ("SafeSQL", "Qwen3-8B"): Paper("safesql", "Qwen/Qwen3-8B", 64, 32, 2048, 2048, 90, 1e-4, "constant"),
}
COMMON = {
    "learning_rate": 1e-6,
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
    "num_generations": 8,
    "temperature": 1.0,
    "loss_type": "bnpo",
    "eval_temperature": 0.0,
    "num_generations_eval": 1,
    "eval_samples": None,
    "use_vllm": True,
    "num_iterations": 1,
    "combine": "rewards",
    "scale_rewards": "group",
    "multi_objective_aggregation": "sum_then_normalize",
}
ALGORITHMS = {"GRPO": "grpo", "REINFORCE": "reinforce++", "RLOO": "rloo"}
BETA = {"grpo": 0.001, "reinforce++": 0.001, "rloo": 0.0}
EVERY = 5  # batches between validations
PRESETS = {
    "--preset accuracy": [0.5, 0.25, 0.25],
    "--preset balanced": [0.334, 0.333, 0.333],
    "--preset efficiency": [0.25, 0.375, 0.375],
}
OF_TWO = {
    "--weights 0.667,0.333": [0.667, 0.333],
    "--weights 0.5,0.5": [0.5, 0.5],
    "--weights 0.4,0.6": [0.4, 0.6],
}
ALONE = {"--weights 1,0,0": [1, 0, 0], "--weights 0,1,0": [0, 1, 0], "--weights 0,0,1": [0, 0, 1]}
WEIGHTS = PRESETS | OF_TWO | ALONE
RULES = {
    "fixed": "fixed",
    "fixed, decaying learning rate": "fixed",
    "one objective": "fixed",
    "hypervolume": "hypervolume",
    "gradient": "gradient",
    "PAMA": "pama",
}


@dataclass(frozen=True)
class Run:
    """A line of the table, with what it adds of the second one."""

    task: str
    model: str
    method: str
    weights: str
    algorithm: str
    flags: str

    @property
    def argv(self) -> list[str]:
        """The command line; a test may run in any folder."""
        return [str(ROOT / word) if word.startswith("recipes/") else word for word in shlex.split(self.flags)]

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.task, self.model, self.method, self.weights, self.algorithm)))


def table(header: str) -> list[list[str]]:
    """The cells of the table of docs/recipes.md that has this header."""
    lines = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8").splitlines()
    after = lines[lines.index(header) + 2 :]
    return [line.strip("| ").split(" | ") for line in itertools.takewhile(lambda line: line.startswith("|"), after)]


def documented() -> list[Run]:
    """Every run that the tables of docs/recipes.md promise."""
    add = {name: re.findall("`(.+?)`", cell) for name, cell in table("| | add |")}
    runs = []
    for task, model, method, experiment, weights in table("| task | model | method | experiment | weights |"):
        models = {model: ""}
        if model.startswith("DeepSeek"):
            models |= {other: add[other][0] for other in ("Ministral-8B", "Llama-3.1-8B")}
        algorithms = {"GRPO": "", **{name: add[name][0] for name in ("RLOO", "REINFORCE")}}
        for other, algorithm, of in itertools.product(models, algorithms, add.get(weights, [""])):
            flags = " ".join(filter(None, (experiment.strip("`"), models[other], algorithms[algorithm], of)))
            runs.append(Run(task, other, method, of, algorithm, flags))
    return runs


RUNS = documented()


def expected_runs() -> set[tuple[str, str, str, str, str]]:
    """Every run of the paper, and those of the other models and algorithms that it leaves out."""
    runs = set()
    for (task, model), algorithm in itertools.product(PAPER, ALGORITHMS):
        weights = OF_TWO if task == "SafeSQL" else PRESETS
        methods = {"fixed": weights, "hypervolume": weights, "gradient": [""], "PAMA": [""]}
        if (task, model) == ("Math500", "Qwen3-8B"):
            methods |= {"fixed, decaying learning rate": PRESETS, "one objective": ALONE}
        runs |= {(task, model, method, of, algorithm) for method, each in methods.items() for of in each}
    return runs
