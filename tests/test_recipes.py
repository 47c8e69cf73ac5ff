"""The recipes: every run that docs/recipes.md lists loads, and is what the paper's runs were."""

import functools
import re
import shlex
from collections.abc import Callable, Iterator
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

from paper_runs import (
    ALGORITHMS,
    BETA,
    COMMON,
    EVERY,
    GPUS,
    PAPER,
    RECIPES,
    ROOT,
    RULES,
    RUNS,
    WEIGHTS,
    Paper,
    Run,
    expected_runs,
)
from paretune import FixedWeights, MultiObjectiveConfig, MultiObjectiveTrainer, tasks
from paretune.cli import config_files
from paretune.cli.bad_input import BadInputError
from paretune.cli.command_line import read
from paretune.cli.parser import make_parser
from paretune.cli.settings import Settings, make_rule, resolve
from paretune.named_objects import is_named
from paretune.weighting import GradientInfluence, HypervolumeGuided, WeightingRule, mirror_descent
from policies import digits, prompts, saved_policy

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PARSER = make_parser("paretune train")


# --- the runs of docs/recipes.md ----------------------------------------------------------------------------


def test_every_run_of_the_paper_is_documented() -> None:
    assert {(run.task, run.model, run.method, run.weights, run.algorithm) for run in RUNS} == expected_runs()
    assert len(RUNS) == len(expected_runs())


def test_every_file_is_used() -> None:
    """By a file that builds on it, or named in the documentation."""
    used = {RECIPES / name for name in re.findall(r"recipes/([\w./+-]+\.yaml)", " ".join(map(Path.read_text, PAGES)))}
    for path in RECIPES.rglob("*.yaml"):
        bases = yaml.safe_load(path.read_text()).get("base", [])
        used |= {(path.parent / base).resolve() for base in ([bases] if isinstance(bases, str) else bases)}
    files = {path for path in RECIPES.rglob("*.yaml") if "comparisons" not in path.parts}
    assert files <= used


def commands() -> list[str]:
    """Every command of the documentation that names a recipe."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^```\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            lines = block.replace("\\\n", " ").splitlines()
            found += [line for line in lines if line.startswith("paretune ") and "recipes/" in line]
    return found


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_documentation_can_be_read(command: str) -> None:
    words = [str(ROOT / word) if word.startswith("recipes/") else word for word in shlex.split(command, comments=True)]
    _, kind, *argv = [word for word in words if word != "..."]
    if kind == "evaluate":  # of a run that is not here
        kind, argv = "train", argv[1 : argv.index("--split")]
    line = read(kind, argv)
    assert is_named(line.given["task"]) or line.given["task"] in tasks.names()
    assert all(not word.endswith(".yaml") or Path(word).is_file() for word in line.launch)


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


Load = Callable[..., tuple[dict[str, Any], Settings, WeightingRule]]


@pytest.fixture(scope="module")
def load(data: Path, model: str) -> Iterator[Load]:
    """What the command line makes of its arguments, but for the model, which a test cannot fetch."""

    @functools.cache
    def loaded(*argv: str) -> tuple[dict[str, Any], Settings, WeightingRule]:
        given = PARSER.read(argv)
        task = given["task"]
        here = {"data": str(data / task), "model_name_or_path": model, "output_dir": "run"}
        if task == "safesql":  # the databases of `data` are made by harmless programs
            here["unsafe_no_sandbox"] = True
        settings = resolve(PARSER, {**given, **here}, {})
        return given, settings, make_rule(settings.run, settings.task)

    with pytest.MonkeyPatch.context() as patch:
        # Reading data and YAML again for each of the runs would take most of the time.
        patch.setattr(tasks, "load", functools.cache(tasks.load))
        settings_in = functools.cache(config_files.settings_in)
        patch.setattr(config_files, "settings_in", lambda *file: dict(settings_in(*file)))
        yield loaded


# --- the paper's values -----------------------------------------------------------------------------------


@pytest.mark.parametrize("run", RUNS, ids=str)
def test_a_run_is_what_the_paper_ran(run: Run, load: Load) -> None:
    paper, algorithm = PAPER[run.task, run.model], ALGORITHMS[run.algorithm]
    given, settings, rule = load(*run.argv)
    config = settings.config
    assert given["model_name_or_path"] == paper.model
    assert settings.task.name == paper.task
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
    gradient = run.method == "gradient"
    assert (config.epsilon, config.epsilon_high, config.delta) == ((100, 100, 100) if gradient else (0.2, None, 3.0))
    decays = "decaying" in run.method or (gradient and paper.gradient_schedule == "polynomial")
    assert config.lr_scheduler_type == ("polynomial" if decays else "constant")
    assert settings.run.rule == RULES[run.method]
    check_rule(rule, run, paper, settings)


def check_rule(rule: WeightingRule, run: Run, paper: Paper, settings: Settings) -> None:
    if isinstance(rule, GradientInfluence):
        # The released code sums the losses of a GPU's micro-batches, of which ours takes the mean.
        n = settings.config.steps_per_generation
        assert rule.request.clip_norm is not None
        assert (rule.request.clip_norm * n, rule.mu * n**2) == pytest.approx((1.0, paper.mu))
        assert (rule.request.method, rule.request.layers, rule.request.include_kl) == ("exact", "middle", True)
        assert (rule.average_over, rule.every, rule.floor) == (1, 1, 0.0)
    elif isinstance(rule, FixedWeights | HypervolumeGuided):
        assert rule.weights.tolist() == WEIGHTS[run.weights]
    if isinstance(rule, HypervolumeGuided):
        assert (rule.apply_to, rule.reference, rule.every, rule.evaluate_on) == ("reward", "initial", 1, "validation")
        # Eq. 1 takes tanh of ΔHV in raw units; ours is divided by the volume that the bounds span.
        volume = 1.0
        for objective in settings.task.objectives:
            assert objective.bounds is not None
            volume *= objective.bounds[1] - objective.bounds[0]
        assert rule.scale is not None
        assert rule.scale * volume == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("folder", "size", "count"), [("math500", 8, 8), ("math_algebra", 16, 32), ("math500-short", 8, 8)]
)
def test_micro_batches_are_those_of_the_released_scripts(folder: str, size: int, count: int, load: Load) -> None:
    # Token-mean over micro-batches depends on them. 8 × the mean on Math500, says the paper's code.
    config = load("--config", str(RECIPES / folder / "gradient.yaml"))[1].config
    assert (config.per_device_train_batch_size, config.steps_per_generation) == (size, count)


def test_policies_are_kept_every_20_batches(load: Load) -> None:
    for run in (run for run in RUNS if run.method == "one objective"):
        config = load(*run.argv)[1].config
        batch = config.steps_per_generation // config.gradient_accumulation_steps
        assert (config.save_steps, config.save_total_limit, config.save_only_model) == (20 * batch, None, True)


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


def test_the_polynomial_decay_is_the_released_one(load: Load) -> None:
    config = load("--config", str(RECIPES / "math500" / "gradient.yaml"))[1].config
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
    base = PARSER.read(["--config", str(RECIPES / "algorithms" / f"{algorithm}.yaml")])
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


@pytest.mark.parametrize("folder", ["algorithms", "models"])
def test_files_of_one_kind_set_the_same_settings(folder: str) -> None:
    """So the last of them wins as a whole, and the order of different kinds makes no difference."""
    assert len({frozenset(PARSER.read(["--config", str(path)])) for path in (RECIPES / folder).iterdir()}) == 1


@pytest.mark.parametrize("laid", ["algorithms/rloo.yaml", "models/ministral-8b.yaml", "polynomial.yaml"])
def test_a_file_before_the_experiment_that_it_should_change(laid: str) -> None:
    argv = ["--config", str(RECIPES / laid), "--config", str(RECIPES / "math500-short" / "fixed.yaml")]
    if laid == "polynomial.yaml":  # the decay's power is a setting that no experiment has
        assert PARSER.read(argv)["lr_scheduler_type"] == "constant"
        return
    with pytest.warns(UserWarning, match=f"{laid} changes nothing"):
        PARSER.read(argv)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["gradient.yaml", "--preset", "balanced"], "--rule gradient finds its own weights"),
        (["gradient.yaml", "--rule", "fixed", "--preset", "balanced"], "--rule fixed"),
    ],
)
def test_a_part_that_is_missing_or_does_not_fit(argv: list[str], expected: str, load: Load) -> None:
    with pytest.raises(BadInputError, match=expected):
        load("--config", str(RECIPES / "math500" / argv[0]), *argv[1:])


SMALL = ("--config", str(RECIPES / "small.yaml"))


@pytest.mark.filterwarnings("ignore:.*models/.* changes nothing")  # the small model takes the place of any other
@pytest.mark.parametrize("run", RUNS, ids=str)
def test_the_small_twin(run: Run, load: Load) -> None:
    given, settings, rule = load(*run.argv, *SMALL)
    check_small(given, settings)
    _, same, same_rule = load(*run.argv)
    assert repr(rule) == repr(same_rule)
    assert (settings.config.beta, settings.config.epsilon, settings.config.lr_scheduler_type) == (
        same.config.beta, same.config.epsilon, same.config.lr_scheduler_type,
    )  # fmt: skip


def test_the_twin_under_one_name(load: Load) -> None:
    given, settings, rule = load("--config", str(RECIPES / "math500-smollm2.yaml"))
    check_small(given, settings)
    same, _, same_rule = load("--config", str(RECIPES / "math500" / "gradient.yaml"), *SMALL)
    assert (given, repr(rule)) == (same, repr(same_rule))


def check_small(given: dict[str, Any], settings: Settings) -> None:
    config = settings.config
    assert not config.use_vllm
    assert given["model_name_or_path"] == "models/SmolLM2-135M-Instruct"
    assert config.per_device_train_batch_size * config.steps_per_generation == 16  # on one process
    assert config.steps_per_generation == 2 * config.gradient_accumulation_steps  # two updates, as in the paper
    assert (config.num_generations, config.max_completion_length, config.max_steps) == (4, 128, 20)


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
    files = [str(RECIPES / name) for name in ("math500/fixed.yaml", "algorithms/rloo.yaml")]
    ours = ["--config", files[0], "--config", files[1], "--vllm_mode", "server"]
    nodes = ["--config_file", "c.yaml", "--num_machines", "2", "--machine_rank", "1", "--main_process_ip", "10.0.0.1"]
    line = read("train", [*ours, *nodes])
    assert (line.launch, line.argv) == (nodes, ours)
