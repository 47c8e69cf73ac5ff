"""The recipes: every file loads, and says what the paper's runs were."""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
from accelerate.commands.launch import launch_command_parser
from transformers import get_scheduler

from paretune import FixedWeights, MultiObjectiveConfig, MultiObjectiveTrainer, tasks
from paretune.cli.launch import split_launch_flags
from paretune.cli.parser import make_parser
from paretune.cli.settings import Settings, make_rule, parse
from paretune.weighting import GradientInfluence, HypervolumeGuided, WeightingRule, mirror_descent
from policies import digits, prompts, saved_policy

RECIPES = Path(__file__).parents[1] / "recipes"
SMALL = RECIPES / "small.yaml"
OTHERS = ("bases", "accelerate", "comparisons")  # no runs by themselves
FILES = sorted(path for path in RECIPES.glob("*/*.yaml") if path.parent.name not in OTHERS)
PROG = "paretune train"
PARSER = make_parser(PROG)
GPUS = 8


@dataclass(frozen=True)
class Paper:
    """What the paper says of a model on a data set; per batch there are 8 completions a prompt."""

    model: str
    prompts: int
    mini_batch: int
    prompt_tokens: int
    response_tokens: int
    epochs: int
    mu: float
    gradient_schedule: str


PAPER = {
    "math500": Paper("Qwen/Qwen3-8B", 64, 32, 2048, 2048, 90, 1e-5, "polynomial"),
    "math_algebra": Paper("Qwen/Qwen3-8B", 512, 128, 2048, 2048, 50, 1e-4, "constant"),
    "math500-deepseek-llm-7b": Paper("deepseek-ai/deepseek-llm-7b-chat", 64, 32, 1024, 512, 90, 1e-4, "constant"),
    # The paper names these two models and SafeSQL; the sizes and schedules are ours to choose.
    "math500-ministral-8b": Paper("mistralai/Ministral-8B-Instruct-2410", 64, 32, 1024, 512, 90, 1e-4, "constant"),
    "math500-llama-3.1-8b": Paper("meta-llama/Llama-3.1-8B-Instruct", 64, 32, 1024, 512, 90, 1e-4, "constant"),
    "safesql": Paper("Qwen/Qwen3-8B", 64, 32, 2048, 2048, 90, 1e-4, "constant"),
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
BETA = {"grpo": 0.001, "reinforce++": 0.001, "rloo": 0.0}
EVERY = 5  # batches between validations
WEIGHTS = {
    "accuracy": [0.5, 0.25, 0.25],
    "balanced": [0.334, 0.333, 0.333],
    "efficiency": [0.25, 0.375, 0.375],
}
SAFESQL_WEIGHTS = {"correctness": [0.667, 0.333], "balanced": [0.5, 0.5], "safety": [0.4, 0.6]}
SINGLE = {"accuracy": [1, 0, 0], "conciseness": [0, 1, 0], "clarity": [0, 0, 1]}


def expected_files() -> set[str]:
    """One recipe for each run of the paper."""
    presets, algorithms = list(WEIGHTS), list(BETA)
    runs = [f"{rule}-{preset}" for rule in ("fixed", "hypervolume") for preset in presets]
    runs += [f"fixed-{preset}-polynomial" for preset in presets] + ["gradient", "pama"]
    files = {f"math500/{run}-{algorithm}" for run, algorithm in itertools.product(runs, algorithms)}
    files |= {f"math500/only-{name}-grpo" for name in SINGLE}
    for task, names in (("math_algebra", presets), ("safesql", list(SAFESQL_WEIGHTS))):
        runs = [f"{rule}-{name}" for rule in ("fixed", "hypervolume") for name in names] + ["gradient", "pama"]
        files |= {f"{task}/{run}-{algorithm}" for run, algorithm in itertools.product(runs, algorithms)}
    for folder in ("math500-deepseek-llm-7b", "math500-ministral-8b", "math500-llama-3.1-8b"):
        files |= {f"{folder}/{run}-grpo" for run in ("fixed-balanced", "hypervolume-balanced", "gradient")}
    return files


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


# --- loading ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny data sets, one a task, in the form of the published ones."""
    folder = tmp_path_factory.mktemp("data")
    message = [{"role": "user", "content": "What is 1 + 1?"}]
    problem = {"prompt": message, "reward_model": {"ground_truth": "2", "style": "rule"}, "level": "1"}
    rows = {
        "math500": [{**problem, "subject": "Algebra"}] * 20,
        "math_algebra": [{**problem, "type": "Algebra"}] * 20,
        "safesql": [program(i, message) for i in range(70)],
    }
    for task, of_task in rows.items():
        (folder / task).mkdir()
        for split, part in (("train", of_task[:-2]), ("val", of_task[-2:-1]), ("test", of_task[-1:])):
            pq.write_table(pa.Table.from_pylist(part), folder / task / f"{split}.parquet")
    return folder


def program(number: int, prompt: list[dict[str, str]]) -> dict[str, Any]:
    """A row of SafeSQL."""
    database = f"sqlite3.connect('program_{number}_database.db')"
    return {
        "program_id": f"program_{number}",
        "construct_db": f"import sqlite3\nwith {database} as made:\n    made.execute('CREATE TABLE items (id)')\n",
        "execute_sql": f"import sqlite3\nprint({database}.execute('SELECT id FROM items').fetchall())\n",
        "test_cases": [{"input": "1\n", "output": "[]", "success": True}],
        "task_description": "Print the items.",
        "test_attacks": ["1' OR '1'='1"],
        "data_source": "sql",
        "prompt": prompt,
        "ability": "code",
        "reward_model": {"ground_truth": "", "style": "rule"},
        "extra_info": {"db_code": "", "index": number, "split": "train"},
    }


@pytest.fixture(scope="module", autouse=True)
def tasks_are_loaded_once() -> Iterator[None]:
    """Reading the data again for each of the recipes would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "load", functools.cache(tasks.load))
        yield


def load(path: Path, data: Path, model: str, *argv: Any) -> tuple[Settings, WeightingRule]:
    """What the command line makes of a recipe, but for the model, which a test cannot fetch."""
    task = PARSER.read(["--config", str(path)]).get("task")
    flags = ["--data", data / task, "--model_name_or_path", model, "--output_dir", "run"]
    if task == "safesql":  # the databases of `data` are made by harmless programs
        flags += ["--unsafe_no_sandbox", "true"]
    settings = parse([str(a) for a in ("--config", path, *argv, *flags)], prog=PROG, defaults={})
    return settings, make_rule(settings.run, settings.task)


def test_there_is_a_recipe_for_every_run() -> None:
    assert {name_of(path) for path in FILES} == expected_files()


def test_every_base_is_used() -> None:
    named: set[str] = set()
    for path in RECIPES.rglob("*.yaml"):
        bases = yaml.safe_load(path.read_text()).get("base", [])
        named |= {Path(base).name for base in ([bases] if isinstance(bases, str) else bases)}
    assert {path.name for path in (RECIPES / "bases").iterdir()} <= named


# --- the paper's values -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_recipe_says_what_the_paper_ran(path: Path, data: Path, model: str) -> None:
    paper, (run, algorithm) = PAPER[path.parent.name], path.stem.rsplit("-", 1)
    settings, rule = load(path, data, model)
    config = settings.config
    assert PARSER.read(["--config", str(path)])["model_name_or_path"] == paper.model
    assert settings.task.name == path.parent.name.split("-")[0]
    assert {name: getattr(config, name) for name in COMMON} == COMMON

    # Rollouts, updates and their lengths.
    completions = config.per_device_train_batch_size * GPUS
    assert completions * config.steps_per_generation == 8 * paper.prompts
    assert completions * config.gradient_accumulation_steps == 8 * paper.mini_batch
    assert config.max_completion_length == paper.response_tokens
    assert config.vllm_max_model_length == paper.prompt_tokens + paper.response_tokens
    assert (config.num_train_epochs, config.max_steps) == (paper.epochs, -1)
    updates = paper.prompts // paper.mini_batch
    assert (config.eval_strategy, config.eval_steps) == ("steps", EVERY * updates)
    assert config.save_steps % config.eval_steps == 0  # a policy on the front can be judged again
    # The influence of a batch is not measured on gradients that are still accumulating.
    assert config.steps_per_generation % config.gradient_accumulation_steps == 0

    # The estimator and its KL term.
    assert (settings.run.algorithm, config.advantage_estimator, config.beta) == (
        algorithm, algorithm, BETA[algorithm],
    )  # fmt: skip
    if config.beta:
        assert config.use_bias_correction_kl == (algorithm == "reinforce++")

    # The arm: clip range, schedule, weights.
    gradient = run == "gradient"
    assert (config.epsilon, config.epsilon_high, config.delta) == ((100, 100, 100) if gradient else (0.2, None, 3.0))
    decays = run.endswith("polynomial") or (gradient and paper.gradient_schedule == "polynomial")
    assert config.lr_scheduler_type == ("polynomial" if decays else "constant")
    assert settings.run.rule == ("fixed" if run.startswith("only") else run.split("-")[0])
    check_rule(rule, run, paper, settings)


def check_rule(rule: WeightingRule, run: str, paper: Paper, settings: Settings) -> None:
    if isinstance(rule, GradientInfluence):
        # The released code sums the losses of a GPU's micro-batches, of which ours takes the mean.
        n = settings.config.steps_per_generation
        assert rule.request.clip_norm is not None
        assert (rule.request.clip_norm * n, rule.mu * n**2) == pytest.approx((1.0, paper.mu))
        assert (rule.request.method, rule.request.layers, rule.request.include_kl) == ("exact", "middle", True)
        assert (rule.average_over, rule.every, rule.floor) == (1, 1, 0.0)
    elif isinstance(rule, FixedWeights | HypervolumeGuided):
        of_task = SAFESQL_WEIGHTS if settings.task.name == "safesql" else WEIGHTS
        weights = SINGLE if run.startswith("only") else of_task
        assert rule.weights.tolist() == weights[run.split("-")[1]]
    if isinstance(rule, HypervolumeGuided):
        assert (rule.apply_to, rule.reference, rule.every, rule.evaluate_on) == ("reward", "initial", 1, "validation")
        # Eq. 1 takes tanh of ΔHV in raw units; ours is divided by the volume that the bounds span.
        volume = 1.0
        for objective in settings.task.objectives:
            assert objective.bounds is not None
            volume *= objective.bounds[1] - objective.bounds[0]
        assert rule.scale is not None
        assert rule.scale * volume == pytest.approx(1.0)


def test_micro_batches_are_those_of_the_released_scripts(data: Path, model: str) -> None:
    # Token-mean over micro-batches depends on them. 8 × the mean on Math500, says the paper's code.
    for name, size, count in (("math500", 8, 8), ("math_algebra", 16, 32), ("math500-deepseek-llm-7b", 8, 8)):
        config = load(RECIPES / name / "gradient-grpo.yaml", data, model)[0].config
        assert (config.per_device_train_batch_size, config.steps_per_generation) == (size, count)


@pytest.mark.parametrize("length", [0.01, 0.3, 5.0])
@pytest.mark.parametrize("n", [8, 32])
def test_clipping_the_mean_moves_the_weights_as_clipping_the_sum_does(n: int, length: float) -> None:
    torch.manual_seed(0)
    mean = torch.randn(3, 50, dtype=torch.float64)
    mean *= length / mean.norm(dim=1, keepdim=True) * torch.tensor([[1.0], [0.5], [2.0]])

    def moved(gradients: torch.Tensor, clip_norm: float, mu: float) -> list[float]:
        clipped = gradients * (clip_norm / gradients.norm(dim=1, keepdim=True)).clamp(max=1.0)
        return mirror_descent([0.2, 0.3, 0.5], (clipped @ clipped.T).sum(dim=1), 1e-6 / mu).tolist()

    released = moved(n * mean, 1.0, 1e-5)
    assert moved(mean, 1 / n, 1e-5 / n**2) == pytest.approx(released, abs=1e-12)
    assert released != pytest.approx([0.2, 0.3, 0.5], abs=1e-6)


def test_the_polynomial_decay_is_the_released_one(data: Path, model: str) -> None:
    config = load(RECIPES / "math500" / "gradient-grpo.yaml", data, model)[0].config
    optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=config.learning_rate)
    schedule = get_scheduler(
        config.lr_scheduler_type, optimizer, num_warmup_steps=config.get_warmup_steps(720), num_training_steps=720,
        scheduler_specific_kwargs=config.lr_scheduler_kwargs,
    )  # fmt: skip
    for step in range(720):
        assert schedule.get_last_lr()[0] == pytest.approx(1e-6 * (1 - step / 720) ** 1.03)
        optimizer.step()
        schedule.step()
    assert schedule.get_last_lr() == [0.0]


@pytest.mark.parametrize("algorithm", BETA)
def test_the_gradient_of_the_kl_term(algorithm: str, model: str, tmp_path: Path) -> None:
    """k3's for GRPO, k2's for REINFORCE++, none for RLOO: d/d(log π) of TRL's loss with advantages of 0."""
    base = PARSER.read(["--config", str(RECIPES / "bases" / f"{algorithm}.yaml")])
    base["advantage_estimator"] = base.pop("algorithm")
    config = MultiObjectiveConfig(
        str(tmp_path), **base, loss_type="bnpo", learning_rate=1e-2, max_steps=1, per_device_train_batch_size=8,
        num_generations=4, max_completion_length=8, gradient_checkpointing=False, save_strategy="no",
        disable_tqdm=True,
    )  # fmt: skip
    trainer = MultiObjectiveTrainer(model, [digits], config, prompts(), weighting=FixedWeights([1.0]))
    trainer.train()
    assert (trainer.ref_model is None) == (algorithm == "rloo")
    inputs = {**trainer._buffered_inputs[0], "advantages": torch.zeros(8)}
    mask = inputs["completion_mask"]
    leaf = -3 * torch.rand(mask.shape).requires_grad_()
    inputs["old_per_token_logps"] = leaf.detach() - 0.2 * torch.randn(mask.shape)
    trainer._get_per_token_logps_and_entropies = lambda *_, **__: (leaf, torch.zeros(mask.shape), None)
    (gradient,) = torch.autograd.grad(trainer._compute_loss(trainer.model, inputs), leaf)
    if algorithm == "rloo":
        expected = torch.zeros(mask.shape)
    else:
        behind = leaf.detach() - inputs["ref_per_token_logps"]
        ratio = (leaf.detach() - inputs["old_per_token_logps"]).exp()
        of_token = {"grpo": 1 - (-behind).exp(), "reinforce++": behind * ratio}[algorithm]
        expected = 0.001 * of_token * mask / mask.sum()
    assert torch.allclose(gradient, expected, atol=1e-8)


# --- combining them ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["rloo", "reinforce++"])
@pytest.mark.parametrize("run", ["fixed-balanced", "hypervolume-accuracy", "gradient", "pama"])
def test_an_algorithm_laid_over_a_recipe(run: str, algorithm: str) -> None:
    folder = RECIPES / "math500"
    own = PARSER.read(["--config", str(folder / f"{run}-{algorithm}.yaml")])
    over = ["--config", str(folder / f"{run}-grpo.yaml"), "--config", str(RECIPES / "bases" / f"{algorithm}.yaml")]
    # GRPO's, which make no difference here.
    idle = {"scale_rewards", "use_bias_correction_kl"} if algorithm == "rloo" else {"scale_rewards"}
    assert {key: value for key, value in PARSER.read(over).items() if key not in idle} == own


@pytest.mark.parametrize("path", [*FILES, RECIPES / "math500-smollm2.yaml"], ids=name_of)
def test_the_small_twin(path: Path, data: Path, model: str) -> None:
    settings, rule = load(path, data, model, "--config", SMALL)
    config = settings.config
    assert not config.use_vllm
    assert PARSER.read(["--config", str(path), "--config", str(SMALL)])["model_name_or_path"] == (
        "models/SmolLM2-135M-Instruct"
    )
    assert config.per_device_train_batch_size * config.steps_per_generation == 16  # on one process
    assert config.steps_per_generation == 2 * config.gradient_accumulation_steps  # two updates, as in the paper
    assert (config.num_generations, config.max_completion_length, config.max_steps) == (4, 128, 20)
    if path.parent != RECIPES:
        same = load(path, data, model)
        assert repr(rule) == repr(same[1])
        assert (config.beta, config.epsilon, config.lr_scheduler_type) == (
            same[0].config.beta, same[0].config.epsilon, same[0].config.lr_scheduler_type,
        )  # fmt: skip


# --- several GPUs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("fsdp2", "FSDP", {"fsdp_version": 2, "fsdp_state_dict_type": "FULL_STATE_DICT", "fsdp_offload_params": False}),
        ("deepspeed-zero3", "DEEPSPEED", {"zero_stage": 3, "zero3_init_flag": True}),
    ],
)
def test_accelerate_takes_its_config(name: str, kind: str, options: dict[str, Any]) -> None:
    path = RECIPES / "accelerate" / f"{name}.yaml"
    config = load_config_from_file(str(path))
    assert isinstance(config, ClusterConfig)
    assert (config.distributed_type.value, config.num_processes, config.num_machines, config.mixed_precision) == (
        kind, GPUS, 1, "bf16",
    )  # fmt: skip
    plugin = config.fsdp_config if kind == "FSDP" else config.deepspeed_config
    assert plugin.items() >= options.items()
    # accelerate takes unknown keys of a plugin without a word; what it knows are its launch flags.
    flags = {action.dest for action in launch_command_parser()._actions}
    assert plugin.keys() <= flags, plugin.keys() - flags


def test_recipes_and_accelerates_flags_on_one_command_line() -> None:
    ours = ["--config", "a.yaml", "--config", "b.yaml", "--vllm_mode", "server"]
    nodes = ["--config_file", "c.yaml", "--num_machines", "2", "--machine_rank", "1", "--main_process_ip", "10.0.0.1"]
    assert split_launch_flags([*ours, *nodes], PARSER.flags) == (nodes, ours)
