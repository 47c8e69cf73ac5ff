"""Command lines that are wrong: one line that says what, and exit status 2, before anything long starts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from paretune.cli.bad_input import LONGEST, BadInputError

pytestmark = pytest.mark.usefixtures("tasks_are_loaded_once")

Refused = Callable[..., str]

GRADIENT = ["--rule", "gradient", "--rule_settings"]


# --- train ------------------------------------------------------------------------------------------------

TRAIN: list[tuple[str, list[str], str]] = [
    ("unknown task", ["--task", "poetry"], "unknown task 'poetry': choose one of arithmetic"),
    ("a task's path", ["--task", "../tasks/arithmetic"], "unknown task '../tasks/arithmetic'"),
    ("emoji", ["--task", "💥"], "unknown task '💥'"),
    (
        "unknown rule",
        ["--rule", "magic"],
        "unknown rule 'magic': choose one of ctwa,",
    ),
    ("unknown algorithm", ["--algorithm", "ppo"], "'ppo' (choose from"),
    ("unknown flag", ["--lerning_rate", "1"], "unknown flag --lerning_rate: did you mean learning_rate?"),
    ("abbreviation", ["--learning", "1"], "unknown flag --learning: did you mean learning_rate?"),
    ("hyphens", ["--learning-rate", "1"], "unknown flag --learning-rate: did you mean learning_rate?"),
    ("TRL's other names", ["--advantage_estimator", "rloo"], "here it is spelled algorithm"),
    ("TRL's weights", ["--reward_weights", "1"], "here it is spelled weights"),
    ("TRL's resume", ["--resume_from_checkpoint", "x"], "--resume x is no folder: give a checkpoint, or no"),
    ("resume from nothing", ["--resume", ""], "--resume names no checkpoint"),
    ("resume from nowhere", ["--resume", "runs/r/checkpoint-2"], "--resume runs/r/checkpoint-2 is no folder"),
    ("resume from elsewhere", ["--resume", "a/checkpoint-2", "--output_dir", "b"], "a/checkpoint-2 is no folder"),
    ("resume from a name with a NUL", ["--resume", "a\0b"], "resume_from_checkpoint has a NUL in it"),
    ("stray word", ["now"], "unknown argument 'now'"),
    ("flag without its value", ["--max_steps"], "expected one argument"),
    ("not a number", ["--max_steps", "many"], "invalid int value: 'many'"),
    ("not a choice", ["--combine", "losses"], "'losses' (choose from"),
    ("a list of choices that is long", ["--optim", "magic"], "`paretune train --help` lists the settings"),
    ("too few weights", ["--rule", "fixed", "--weights", "0.5,0.5"], "2 values for 3 objectives"),
    ("negative preference", ["--rule", "hypervolume", "--weights", "1.5,-0.25,-0.25"], "must not be negative"),
    ("preferences beyond 1", ["--rule", "hypervolume", "--weights", "0.5,0.5,0.5"], "must sum to 1"),
    ("weights that are no numbers", ["--rule", "fixed", "--weights", "a,b,c"], "must be numbers with commas"),
    ("weights that are NaN", ["--rule", "fixed", "--weights", "nan,0.5,0.5"], "--rule fixed: weights must be finite"),
    ("no weight at all", ["--rule", "fixed", "--weights", ""], "must be numbers with commas"),
    ("weights and preset", ["--rule", "fixed", "--weights", "1,0,0", "--preset", "balanced"], "not both"),
    ("priorities that are no numbers", ["--rule", "nash", "--priorities", "accuracy"], "write it as NAME=NUMBER"),
    ("priorities of nobody", ["--rule", "nash", "--priorities", "acuracy=2"], "did you mean accuracy?"),
    ("priorities twice", ["--rule", "nash", "--priorities", "clarity=2,clarity=3"], "clarity is given twice"),
    ("priorities in two flags", ["--priorities", "clarity=2", "--priorities=accuracy=3"], "is given twice: give it"),
    ("bounds in two flags", ["--bounds", "clarity=0:1", "--bounds", "accuracy=0:1"], "with commas between several"),
    ("priorities of 0", ["--rule", "fixed", "--priorities", "clarity=0"], "must be numbers above 0"),
    ("priorities and weights", ["--rule", "fixed", "--preset", "balanced", "--priorities", "clarity=2"], "leave out"),
    ("priorities for a rule without", ["--rule", "pama", "--priorities", "clarity=2"], "has no use for --priorities"),
    ("thresholds for a rule without", ["--rule", "nash", "--at_most", "conciseness=30"], "these have, lagrangian"),
    ("a goal of nobody", ["--rule", "lagrangian", "--maximize", "speed"], "there is no objective 'speed'"),
    ("weights for a rule that finds them", ["--rule", "gradient", "--weights", "1,0,0"], "finds its own weights"),
    ("weights for PAMA", ["--rule", "pama", "--weights", "1,0,0"], "finds its own weights"),
    ("a preset for PAMA", ["--rule", "pama", "--preset", "balanced"], "leave out --weights and --preset"),
    ("unknown preset", ["--rule", "fixed", "--preset", "fair"], "Unknown preset 'fair'"),
    ("data for a task that has its own", ["--data", "somewhere"], "leave it out"),
    ("missing data folder", ["--task", "math500", "--data", "no/such/folder"], "no/such/folder"),
    ("missing model folder", ["--model_name_or_path", "./no/such/model"], "./no/such/model"),
    ("resume without a checkpoint", ["--resume", "--output_dir", "nothing-here"], "holds no checkpoint"),
    ("no output folder", ["--output_dir", ""], "--output_dir is empty: give a folder"),
    ("missing config", ["--config", "no.yaml"], "--config no.yaml: No such file"),
    ("config without a value", ["--config"], "--config needs a YAML file"),
    ("config with a NUL", ["--config", "a\0b"], "embedded null byte"),
    ("config with a name of bytes", ["--config", "\udcff.yaml"], "No such file"),
    ("config with an endless name", ["--config", "x" * 5000], "File name too long"),
    ("rewards without data", ["--reward_funcs", "my.reward"], "needs --dataset_name too"),
    ("rewards and a task", ["--task", "arithmetic", "--reward_funcs", "my.reward"], "not both"),
    ("launch flag without its value", ["--num_processes"], "--num_processes needs a value"),
    ("launch flag with a wrong value", ["--num_processes", "two"], "invalid int value: 'two' (`accelerate launch"),
    ("no processes", ["--num_processes", "0"], "--num_processes must be 1 or more, got 0"),
    ("missing launch config", ["--config_file", "none.yaml"], "--config_file none.yaml: there is no such file"),
    # Settings of the rule.
    ("settings that are no JSON", ["--rule_settings", "{mu: 1}"], "not valid JSON"),
    ("a setting twice", [*GRADIENT, '{"mu": 1, "mu": 2}'], "is not valid JSON ('mu' is given twice)"),
    ("settings that are no object", ["--rule_settings", "[1]"], "--rule_settings must be a JSON object, got [1]"),
    ("unknown setting", [*GRADIENT, '{"speed": 1}'], "--rule gradient has no setting 'speed': it takes mu"),
    ("a setting in other words", [*GRADIENT, '{"layer": 1}'], "no setting 'layer': did you mean layers?"),
    ("setting out of range", [*GRADIENT, '{"mu": -1}'], "`mu` must be finite and above 0, got -1"),
    ("text for a number", [*GRADIENT, '{"mu": "big"}'], "mu expects a number, got 'big' (str)"),
    ("NaN", [*GRADIENT, '{"mu": NaN}'], "mu must be finite, got nan (float)"),
    ("half a batch", [*GRADIENT, '{"every": 1.5}'], "every expects a whole number, got 1.5 (float)"),
    ("unknown method", [*GRADIENT, '{"method": "guess"}'], "expects one of directional, realised, exact, "),
    ("a floor too high", ["--rule_settings", '{"floor": 0.5}'], "`floor` must be below 1/K = 0.333"),
    ("PAMA with a wrong setting", ["--rule", "pama", "--rule_settings", '{"credit": "token"}'], "one of sample, batch"),
    ("a schedule that is missing", ["--rule", "scheduled"], "needs schedule: give it in --rule_settings"),
    (
        "a schedule by a function's name",
        ["--rule", "scheduled", "--rule_settings", '{"schedule": "os.system"}'],
        "schedule expects a mapping or a list, got 'os.system'",
    ),
    (
        "weights twice",
        ["--rule", "hypervolume", "--preset", "balanced", "--rule_settings", '{"weights": [1, 0, 0]}'],
        "the weights stand in --rule_settings and beside it",
    ),
    (
        "a reference for two",
        ["--rule", "hypervolume", "--preset", "balanced", "--rule_settings", '{"reference": [1, 2]}'],
        "2 values for 3",
    ),
    # What would only surface deep inside TRL or transformers, or never.
    ("one generation", ["--num_generations", "1"], "at least 2 generations"),
    ("no generation", ["--num_generations", "0"], "--num_generations must be 2 or more"),
    ("groups that do not fit", ["--num_generations", "7"], "must be divisible by num_generations (7)"),
    ("empty batches", ["--per_device_train_batch_size", "0"], "--per_device_train_batch_size must be 1 or more, got 0"),
    ("empty evaluations", ["--per_device_eval_batch_size", "0"], "--per_device_eval_batch_size must be 1 or more"),
    ("no accumulation", ["--gradient_accumulation_steps", "0"], "--gradient_accumulation_steps must be 1 or more"),
    ("a batch of all prompts and more", ["--per_device_train_batch_size", "80000"], "there are 4096 to train on"),
    ("no tokens", ["--max_completion_length", "0"], "--max_completion_length must be 1 or more, got 0"),
    ("a negative temperature", ["--temperature", "-1"], "--temperature must be above 0, got -1.0"),
    ("training at temperature 0", ["--temperature", "0"], "--temperature must be above 0, got 0.0"),
    ("evaluations at NaN", ["--eval_temperature", "nan"], "--eval_temperature must be 0 or more, got nan"),
    ("a learning rate of NaN", ["--learning_rate", "nan"], "--learning_rate must be 0 or more, got nan"),
    ("an infinite learning rate", ["--learning_rate", "inf"], "--learning_rate must be 0 or more, got inf"),
    ("a negative learning rate", ["--learning_rate=-1e-6"], "--learning_rate must be 0 or more, got -1e-06"),
    ("a momentum of 2", ["--adam_beta1", "2"], "--adam_beta1 must be 0 or more and less than 1, got 2.0"),
    ("a top_p of 0", ["--top_p", "0"], "--top_p must be above 0 and at most 1, got 0.0"),
    ("a min_p above 1", ["--min_p", "7"], "--min_p must be from 0 to 1, got 7.0"),
    ("a seed below 0", ["--seed", "-1"], "--seed must be 0 or more and below 4294967296, got -1"),
    ("a seed of 20 digits", ["--seed", "9" * 20], "--seed must be 0 or more and below 4294967296, got 9999"),
    ("no steps", ["--max_steps", "0"], "--max_steps must be 1 or more, or -1 to go by num_train_epochs, got 0"),
    ("no epochs", ["--num_train_epochs", "nan"], "--num_train_epochs must be above 0, got nan"),
    ("evaluations going backwards", ["--eval_steps", "-1"], "--eval_steps must be above 0, got -1.0"),
    ("no iterations", ["--num_iterations", "0"], "--num_iterations must be 1 or more, got 0"),
    ("a KL that is rewarded", ["--beta", "-1"], "--beta must be 0 or more, got -1.0"),
    ("an unknown loss", ["--loss_type", "ppo"], "--loss_type must be one of grpo, dapo,"),
    ("an unknown scale", ["--scale_rewards", "sometimes"], "--scale_rewards must be one of group, batch, none, got"),
    ("an unknown level", ["--importance_sampling_level", "word"], "must be one of token, sequence, got 'word'"),
    ("an unknown logger", ["--report_to", "paper"], "--report_to paper: paper is not supported"),
    ("settings of the optimiser", ["--optim_args", "fast"], "write --optim_args as name=value,name=value, got 'fast'"),
    ("an optimiser of another package", ["--optim", "adamw_anyprecision"], "settings of optimiser and learning rate"),
    (
        "settings of a schedule",
        ["--lr_scheduler_type", "linear", "--lr_scheduler_kwargs", '{"speed": 1}'],
        "unexpected keyword argument 'speed'",
    ),
    ("settings of sampling", ["--generation_kwargs", '{"speed": 1}'], "generation_kwargs has no setting 'speed'"),
    ("no task", ["--task", ""], "unknown task ''"),
    ("a step of 400 digits", ["--rule", "scheduled", "--rule_settings", f'{{"schedule": {{"{10**400}": [1, 0, 0]}}}}'],
     "must be at most 2,147,483,647"),
    *[
        (f"{name} that are a word", [f"--{name}", "fast"], f"--{name} is not valid JSON")
        for name in ("model_init_kwargs", "generation_kwargs", "chat_template_kwargs", "lr_scheduler_kwargs",
                     "gradient_checkpointing_kwargs", "rule_settings")
    ],
    ("half a mapping", ["--model_init_kwargs", "{"], "--model_init_kwargs is not valid JSON"),
    ("a list for a mapping", ["--chat_template_kwargs", "[1]"], "must be a JSON object, got [1]"),
    ("a file that is not there", ["--accelerator_config", "none.json"], "names a file that cannot be read"),
    ("a model's unknown setting", ["--model_init_kwargs", '{"speed": 1}'], "unexpected keyword argument 'speed'"),
    ("an unknown attention", ["--attn_implementation", "magic"], '`attn_implementation="magic"` is not supported'),
    # Numbers without bounds.
    *[
        (f"{name} of 25 nines", [f"--{name}", "9" * 25], f"--{name} must be at most ")
        for name in (
            "max_steps", "per_device_train_batch_size", "gradient_accumulation_steps", "num_generations",
            "eval_samples", "max_completion_length", "num_iterations", "lora_r", "lora_alpha",
            "num_train_epochs", "warmup_steps", "save_total_limit", "front_checkpoints",
            "dataloader_num_workers", "ddp_timeout", "top_k", "logging_steps",
        )
    ],
    ("more digits than Python reads", ["--max_steps", "9" * 5000], "argument --max_steps: invalid int value"),
    ("steps to log of 400 digits", ["--logging_steps", "9" * 400], "--logging_steps must be above 0, got inf"),
    ("a target without end", ["--entropy_target", "inf"], "--entropy_target must be a finite number, got inf"),
    ("a port of 25 nines", ["--vllm_server_port", "9" * 25], "--vllm_server_port must be a port: from 0 to 65535"),
    ("processes of 25 nines", ["--num_processes", "9" * 25], "--num_processes must be at most 100,000, got 9999"),
    ("a thousand processes on CPUs", ["--num_processes", "1000", "--cpu"], "must be at most 256 on CPUs, got 1000"),
    ("a setting of 25 nines", ["--rule_settings", '{"every": ' + "9" * 25 + "}"], "must be at most 2,147,483,647"),
    ("a setting of 401 digits", ["--rule_settings", f'{{"every": {10**400}}}'], "must be at most 2,147,483,647"),
    ("a setting of 401 digits within", ["--generation_kwargs", f'{{"num_beams": {10**400}}}'], "must be at most"),
    ("a setting of 5,000 digits", ["--rule_settings", '{"every": ' + "9" * 5000 + "}"], "is not valid JSON (Exceeds"),
    ("objects within objects", ["--rule_settings", '{"a": ' * 5000 + "1" + "}" * 5000], "is not valid JSON (maximum"),
    ("objects within 50 objects", ["--rule_settings", '{"a": ' * 50 + "1" + "}" * 50], "is nested too deeply"),
    ("lists within 900 lists", ["--generation_kwargs", '{"a": ' + "[" * 900 + "]" * 900 + "}"], "is nested too deeply"),
    ("a rank beyond the model's", ["--use_peft", "true", "--lora_r", "40000"], "no layer of the model is wider than"),
    ("LoRA of rank 0", ["--use_peft", "true", "--lora_r", "0"], "--lora_r must be 1 or more, got 0"),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "expected"), [case[1:] for case in TRAIN], ids=[case[0] for case in TRAIN])
def test_train(
    argv: list[str], expected: str, refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert expected in refused("train", *argv)
    assert list(tmp_path.iterdir()) == []  # nothing written


def test_vllm_where_there_is_none(refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paretune.cli.training_settings.find_spec", lambda _: None)
    assert "vLLM is not installed" in refused("train", "--use_vllm", "--output_dir", tmp_path / "run")


def test_output_directory_in_use(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    assert "already holds a run" in refused("train", "--output_dir", tmp_path)
    assert (tmp_path / "run.json").read_text() == "{}"


def test_output_directory_that_is_a_file(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    assert "is a file: choose a folder" in refused("train", "--output_dir", tmp_path / "run")


def test_blocks_that_the_model_does_not_have(refused_late: Refused, tmp_path: Path) -> None:
    said = refused_late("train", *GRADIENT, '{"layers": [99]}', "--output_dir", tmp_path / "run")
    assert "`layers` names block 99, but the model has blocks 0 to 3" in said


# --- the other commands -----------------------------------------------------------------------------------

OTHERS: list[tuple[list[str], str]] = [
    (["trian"], "unknown command 'trian': did you mean train?"),
    (["fly"], "choose one of check, train, compare, report, pick, evaluate, steer, divergence, list"),
    (["tr\0ain"], "unknown command"),
    (["--config", "x"], "unknown command '--config'"),
    (["list", "all"], "takes no arguments, got all"),
    (["evaluate"], "which checkpoint or run?"),
    (["evaluate", "no-such-checkpoint"], "no checkpoint folder no-such-checkpoint"),
    (["evaluate", "file"], "no checkpoint folder file"),
    (["evaluate", "--split", "test", "empty"], "which checkpoint or run?"),
    (["evaluate", "empty", "--split", "exam"], "'exam' (choose from"),
    (["evaluate", "empty", "--split"], "expected one argument"),
    (["evaluate", "empty"], "holds no config.json"),
    (["evaluate", "empty", "another"], "unknown argument 'another'"),
    (["evaluate", "empty", "--temperature", "0"], "--temperature must be above 0"),
    (["evaluate", "torn"], "run.json' is no JSON"),
    (["evaluate", "wrong"], "'wrong/pareto.json': points must be a list, got 3"),
    (["check", "--batches", "some"], "invalid int value: 'some'"),
    (["check", "--batches"], "expected one argument"),
    (["check", "--batches", "9" * 25], "--batches must be at most 1,000, got 9999"),
    (["check", "--batches", "9" * 5000], "invalid int value: '9999"),
    (["check", "--task", "poetry"], "unknown task 'poetry'"),
    (["check", "--num_generations", "1"], "at least 2 generations"),
    (["check", "--bathces", "1"], "unknown flag --bathces"),
    (["compare"], "where to? --output_dir DIR"),
    (["compare", "--output_dir", ""], "where to? --output_dir DIR"),
    (["compare", "--output_dir", "file"], "'file' is a file: choose a folder"),
    (["compare", "--output_dir", "other"], "holds other files than a comparison's"),
    (["compare", "--output_dir", "plan"], "is no plan of a comparison"),
    (["compare", "--output_dir", "new", "--rules", "magic"], "Unknown rule 'magic' to compare"),
    (["compare", "--output_dir", "new", "--rules", ""], "A comparison needs rules, each named once; got none"),
    (["compare", "--output_dir", "new", "--rules", "balanced,balanced"], "each named once; got balanced, balanced"),
    (["compare", "--output_dir", "new", "--rules", "fixed:0.5:0.6:1e39"], "must be finite float32 numbers"),
    (["compare", "--output_dir", "new", "--rules", "fixed:0.5.5:0.5:0"], "must be numbers with commas"),
    (["compare", "--output_dir", "new", "--rules", "balanced,replay"], "takes its weights from 'gradient'"),
    (["compare", "--output_dir", "new", "--algorithms", "ppo"], "Unknown algorithm 'ppo'"),
    (["compare", "--output_dir", "new", "--algorithms", ""], "Unknown algorithm ''"),
    (["compare", "--output_dir", "new", "--seeds", "0"], "--seeds must be 1 or more, got 0"),
    (["compare", "--output_dir", "new", "--seeds", "9" * 25], "--seeds must be at most 1,000, got 9999"),
    (["compare", "--output_dir", "new", "--tuning_seeds", "1001"], "--tuning_seeds must be at most 1,000, got 1001"),
    (["compare", "--output_dir", "new", "--jobs", "9" * 25], "--jobs must be at most 65,536, got 9999"),
    (["compare", "--output_dir", "new", "--threads", "9" * 25], "--threads must be at most 65,536, got 9999"),
    (["compare", "--output_dir", "new", "--arms", '{"a": ' * 5000], "--arms is not valid JSON"),
    (["compare", "--output_dir", "new", "--jobs", "0"], "--jobs must be 1 or more, got 0"),
    (["compare", "--output_dir", "new", "--threads", "-1"], "--threads must be 1 or more, got -1"),
    (["compare", "--output_dir", "new", "--test_samples", "0"], "--test_samples must be 1 or more, got 0"),
    (["compare", "--output_dir", "new", "--exploratory_seeds", "0"], "--exploratory_seeds must be 1 or more"),
    (["compare", "--output_dir", "new", "--target", "nan"], "--target must be above 0 and at most 1, got nan"),
    (["compare", "--output_dir", "new", "--primary", "magic"], "'magic', which is not compared"),
    (["compare", "--output_dir", "new", "--launcher", "slurm"], "'slurm' (choose from"),
    (["compare", "--output_dir", "new", "--rule", "gradient"], "here it is spelled rules"),
    (["compare", "--output_dir", "new", "--resume", "a"], "unknown flag --resume"),
    (
        ["compare", "--output_dir", "new", "--resume_from_checkpoint", "a"],
        "here it is spelled output_dir",
    ),
    (["compare", "--output_dir", "new", "--arms", "[1]"], "--arms must be a JSON object, got [1]"),
    (["compare", "--output_dir", "new", "--eval_strategy", "no"], "A comparison evaluates its runs"),
    (["compare", "--output_dir", "new", "--learning_rate", "nan"], "--learning_rate must be 0 or more, got nan"),
    (["compare", "--output_dir", "new", "--optim_args", "fast"], "write --optim_args as name=value"),
    (["compare", "--output_dir", "new", "--model_name_or_path", "empty"], "holds no config.json"),
    (["report"], "which folder?"),
    (["report", "nowhere"], "nowhere is no folder"),
    (["report", "file"], "file is no folder"),
    (["report", "empty"], "empty holds nothing to report"),
    (["report", "torn"], "torn holds nothing to report"),
    (["report", "empty", "another"], "unknown argument 'another'"),
    (["report", "empty", "--format", "docx"], "must be one or more of pdf, png, svg, got 'docx'"),
    (["pick"], "which run?"),
    (["pick", "nowhere", "--prefer", "a=1"], "there is no folder nowhere"),
    (["pick", "empty", "--prefer", "a=1"], "empty holds no run"),
    (["pick", "torn", "--prefer", "a=1"], "the record of torn is broken"),
    (["pick", "wrong", "--prefer", "a=1"], "the record of wrong is broken"),
    (["pick", "run", "--prefer", "a"], "write it as NAME=NUMBER"),
    (["pick", "run", "--prefer", "a=nan"], "write it as NAME=NUMBER"),
    (["pick", "run", "--prefer", "b=1"], "there is no objective 'b': choose among a"),
    (["pick", "run", "--prefer", "a=1,a=2"], "a is given twice"),
    (["pick", "run", "--prefer", "a=1", "--prefer=a=2"], "--prefer is given twice: give it once"),
    (["pick", "run", "--prefer", "a=-1"], "weights must be 0 or more"),
    (["pick", "run", "--at-least", "a=0.9"], "no policy on the front meets a ≥ 0.9 (the best is 0.5)"),
    (["pick", "run", "--prefer", "a=1"], "none of the 1 on the front has a checkpoint"),
    (["pick", "run", "--prefer", "a=1", "--output_dir", "empty"], "empty exists already"),
    (["pick", "run", "--perfer", "a=1"], "--perfer"),
    (["steer"], "which run?"),
    (["steer", "nowhere"], "there is no folder nowhere"),
    (["steer", "run"], "the run run has no checkpoint"),
    (["divergence"], "which runs?"),
    (["divergence", "run"], "which runs?"),
    (["divergence", "empty", "run"], "'empty' is not the directory of a run"),
    (["divergence", "run", "run"], "the run run has no checkpoint"),
    (["divergence", "run", "run", "--samples", "0"], "--samples must be 1 or more, got 0"),
    (["divergence", "run", "run", "--samples", "9" * 25], "--samples must be at most 2,147,483,647, got 9999"),
    (["divergence", "run", "run", "--temperature", "nan"], "--temperature must be above 0, got nan"),
    (["divergence", "run", "run", "--seed", "-1"], "--seed must be 0 or more and below 4294967296, got -1"),
    (["divergence", "run", "run", "--split", "exam"], "'exam' (choose from"),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with an empty folder, a file, a run, broken ones, and what is in a comparison's way."""
    root = tmp_path_factory.mktemp("folders")
    for name in ("empty", "other", "plan", "run", "torn", "wrong"):
        (root / name).mkdir()
    for name in ("file", "other/file"):
        (root / name).write_text("text")
    header = {"schema": 1, "task": "arithmetic", "objectives": [{"name": "a", "maximize": True, "bounds": [0, 1]}]}
    for name, run, points in (("run", header, [{"step": 1, "metrics": {"a": 0.5}}]), ("wrong", header, 3)):
        (root / name / "run.json").write_text(json.dumps(run))
        (root / name / "pareto.json").write_text(json.dumps({"points": points}))
    (root / "torn" / "run.json").write_text('{"schema"')
    (root / "plan" / "comparison.json").write_text('{"schema": 1, "arms": [3]}')
    return root


@pytest.mark.parametrize(("argv", "expected"), OTHERS, ids=[" ".join(argv) for argv, _ in OTHERS])
def test_other_commands(
    argv: list[str], expected: str, refused: Refused, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folders)
    before = sorted(folders.rglob("*"))
    assert expected in refused(*argv)
    assert sorted(folders.rglob("*")) == before


# --- the line itself --------------------------------------------------------------------------------------


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    said = str(BadInputError("what was given: " + "x" * 10_000 + ". What to do"))
    assert said.startswith("what was given: xxx")
    assert said.endswith("xxx. What to do")
    assert len(said) < LONGEST + 10


def test_nothing_in_it_steers_the_terminal() -> None:
    said = str(BadInputError("a\nfile \x1b]0;title\x07 and \u202edraw \udcff"))
    assert said == "a file �]0;title� and �draw �"
