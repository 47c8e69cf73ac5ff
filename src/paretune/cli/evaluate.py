"""``paretune evaluate``: measure a policy's objectives, or those of a run's front, on one split of a task."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from paretune.cli.arguments import EvaluateArguments
from paretune.cli.bad_input import BadInputError
from paretune.cli.command_line import CommandLine
from paretune.cli.dial_table import print_dial
from paretune.cli.known_front import keep_known_front, known_front
from paretune.cli.parser import StrictParser
from paretune.cli.ready import check_ready
from paretune.cli.screen import Screen, table
from paretune.cli.settings import Settings, resolve
from paretune.cli.task_source import header_of, is_another_task, names_a_task, recorded_task, run_of
from paretune.cli.train import make_trainer, quiet
from paretune.objectives import RewardError
from paretune.record.checkpoints import STATE_FILE
from paretune.record.entries import Header
from paretune.record.fields import Fields
from paretune.record.figures import figure, with_error
from paretune.record.final_evaluations import (
    ChosenPolicy,
    chosen_policies,
    missing,
    missing_settings,
)
from paretune.record.json_lines import append_line
from paretune.record.parsing import RecordError
from paretune.record.reader import RunReader
from paretune.record.run_directory import FINAL, REPORT
from paretune.report import write_report
from paretune.steering import Template, lattice, stating
from paretune.trainer import MultiObjectiveTrainer
from paretune.trainer.checkpoint_forms import check_like, loading
from paretune.trainer.checkpoints import BrokenCheckpointError, load_state
from paretune.weighting import FixedWeights

DECODINGS = ("sampled", "greedy")
FRESH = 10_000_019
"""Added to a run's seed, so that its policies are measured on samples that did not choose them."""


def run(line: CommandLine) -> int:
    """Evaluate; the exit status."""
    [directory], given = map(Path, line.words), line.given
    quiet()
    split = given.get("split", EvaluateArguments.split)
    if run_of(directory) != directory:
        _evaluate_checkpoint(directory, line.parser, given, split)
    elif is_another_task(header_of(directory), given):
        Screen().say(f"{directory} was trained on another task or other data: its record stays as it is.")
        for policy in _policies_of(directory):
            _evaluate_checkpoint(policy.checkpoint, line.parser, given, split)
    else:
        dial = given.get("dial_settings", EvaluateArguments.dial_settings)
        evaluate_run(directory, line.parser, given, split=split, decodings=DECODINGS, dial_settings=dial)
        renew_report(directory)
        _print_run(directory, split)
        print_dial(directory, split)
    return 0


def _policies_of(directory: Path) -> list[ChosenPolicy]:
    """The policies by which a run is judged.

    Raises:
        BadInputError: if it has no checkpoint, or its record is broken.
    """
    try:
        policies = chosen_policies(directory)
    except (OSError, RecordError) as error:
        raise BadInputError(error) from error
    if not policies:
        raise BadInputError(f"the run in {directory} has no checkpoint to evaluate.")
    return policies


def renew_report(directory: Path) -> None:
    """Write a run's page anew, if there is one: it shows what was measured since."""
    if (directory / REPORT).is_file():
        write_report(directory)


def evaluate_run(
    directory: Path,
    parser: StrictParser,
    given: Mapping[str, Any],
    *,
    split: str,
    decodings: Sequence[str],
    dial_settings: int,
) -> None:
    """Measure the policies of a run's front and its last one, with fresh samples; what is known is not repeated.

    Each evaluation is appended to the run's ``final_evaluations.jsonl``, and the true front of its prompts, where the
    task knows it, to ``known_front.jsonl``.

    Args:
        directory: the run's.
        parser: makes the settings' objects.
        given: what is told, as for ``paretune train``.
        split: train, validation or test.
        decodings: sampled (at the evaluations' temperature, or training's where they are greedy), greedy.
        dial_settings: of a policy that is steered, priorities at which the last one is measured, at the most.

    Raises:
        BadInputError: if the run has no checkpoint, or the settings do not fit it.
    """
    policies = _policies_of(directory)
    try:
        run = RunReader(directory)
        header, _ = run.header, run.measured_again
    except (OSError, RecordError) as error:
        raise BadInputError(error) from error
    template = _template_of(policies[-1].checkpoint)
    states = {policy.step: _state_of(policy.checkpoint) for policy in policies}
    seed = (FRESH + (header.seed or 0)) % 2**32
    with _settings(
        parser, {**_recorded(header, directory, parser, given), **given}, policies[0].checkpoint
    ) as settings:
        prompts = _prompts(settings, split)
        keep_known_front(directory, known_front(settings, split))
        settings.config.seed = seed
        sampled_at = settings.config.eval_temperature or settings.config.temperature

        def measure(
            trainer: MultiObjectiveTrainer, policy: ChosenPolicy, decoding: str, told: Mapping[str, float] | None = None
        ) -> None:
            trainer.args.eval_temperature = temperature = sampled_at if decoding == "sampled" else 0.0
            found = {"split": split, "decoding": decoding, "temperature": temperature, "seed": seed, "prompts": prompts}
            rows = settings.rows(split)
            if template is not None and told is not None:
                found["priorities"] = told
                rows = stating(rows, template, [told[name] for name in template.names])
            found |= _measure(trainer, settings, split, rows)
            if told is not None:
                found["example"] = trainer.first_answer(settings.rows(split))
            which = {"step": policy.step, "front": policy.front, "final": policy.final}
            append_line(directory / FINAL, {**which, **found})

        # The dial comes first: where the last policy's plain line is there, a measurement is whole.
        last, turns = policies[-1], []
        if template is not None:
            names = template.names
            dial = [dict(zip(names, setting, strict=True)) for setting in lattice(len(names), dial_settings)]
            turns = [
                (decoding, told)
                for decoding in decodings
                for told in missing_settings(directory, last.step, split, decoding, prompts, dial)
            ]
        if turns:
            trainer = _trainer_of(settings, last.checkpoint, states[last.step])
        for decoding, told in turns:
            measure(trainer, last, decoding, told)
        for policy, lacking in missing(directory, policies, split, decodings, prompts):
            trainer = _trainer_of(settings, policy.checkpoint, states[policy.step])
            for decoding in lacking:
                measure(trainer, policy, decoding)


def _template_of(checkpoint: Path) -> Template | None:
    """How the prompts of a policy say priorities; None for one that is not steered."""
    try:
        return Template.load(checkpoint)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadInputError(error) from error


def _recorded(header: Header, run: Path, parser: StrictParser, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the run's record says of its task and of how it generates, where the command does not name a task."""
    if names_a_task(given):
        return {}
    told = {name: value for name, value in header.generation.items() if value is not None}
    if header.evaluation.get("temperature") is not None:
        told["eval_temperature"] = header.evaluation["temperature"]
    return parser.take({**recorded_task(header, run), **told}, f"{run}/run.json")


@contextmanager
def _settings(parser: StrictParser, given: Mapping[str, Any], checkpoint: Path) -> Iterator[Settings]:
    """The settings of an evaluation, whose trainer writes nowhere that stays."""
    with TemporaryDirectory() as scratch:
        told = {**given, "model_name_or_path": str(checkpoint), "output_dir": scratch}
        settings = resolve(parser, told, {"disable_tqdm": True}, make=lambda *_: FixedWeights())
        check_ready(settings, trains=False)
        yield settings


def _state_of(checkpoint: Path) -> Mapping[str, Any]:
    """The objectives' state in a checkpoint, by name; none in a folder that holds a model alone."""
    if not (checkpoint / STATE_FILE).is_file():
        return {}
    try:
        state = load_state(checkpoint)
        return Fields(state, repr(str(checkpoint / STATE_FILE))).mapping("objectives")
    except (OSError, ValueError) as error:
        raise BadInputError(error) from error


def _trainer_of(settings: Settings, checkpoint: Path, state: Mapping[str, Any]) -> MultiObjectiveTrainer:
    """A trainer that holds the checkpoint's policy, and the objectives as they were then."""
    model = replace(settings.model, model_name_or_path=str(checkpoint))
    trainer = make_trainer(replace(settings, model=model))
    try:
        with loading(checkpoint, "measure it with the task that it was trained on."):
            for objective in settings.task.objectives:
                if objective.name in state:
                    check_like(state[objective.name], objective.state_dict(), f"the state of {objective.name}")
                    objective.load_state_dict(state[objective.name])
    except BrokenCheckpointError as error:
        raise BadInputError(error) from error
    return trainer


def _measure(trainer: MultiObjectiveTrainer, settings: Settings, split: str, rows: Any) -> dict[str, Any]:
    try:
        metrics = trainer.evaluate(rows, metric_key_prefix=split)
    except RewardError as error:
        raise BadInputError(error) from error
    names = [objective.name for objective in settings.task.objectives]
    return {
        "samples": _prompts(settings, split) * trainer.num_generations_eval,
        "metrics": {name: metrics[f"{split}_metrics/{name}"] for name in names},
        "standard_error": {name: metrics[f"{split}_standard_error/{name}"] for name in names},
    }


def _prompts(settings: Settings, split: str) -> int:
    available = len(settings.rows(split))
    return min(available, settings.config.eval_samples or available)


def _evaluate_checkpoint(checkpoint: Path, parser: StrictParser, given: Mapping[str, Any], split: str) -> None:
    run = run_of(checkpoint)
    recorded = {} if run is None else _recorded(header_of(run), run, parser, given)
    with _settings(parser, {**recorded, **given}, checkpoint) as settings:
        trainer = _trainer_of(settings, checkpoint, _state_of(checkpoint))
        found = _measure(trainer, settings, split, settings.rows(split))
    title = f"{checkpoint} on {found['samples']} {split} completions"
    shown = table(title, "objective", "metric", "standard error", left=["objective"])
    for name, value in found["metrics"].items():
        shown.add_row(name, figure(value, 4), figure(found["standard_error"][name], 4))
    Screen().print(shown)


def _print_run(directory: Path, split: str) -> None:
    run = RunReader(directory)
    measured = [one for one in run.measured_again if one.split == split]
    trained = [objective.name for objective in run.header.objectives]  # one that never applies has no figure
    names = list(dict.fromkeys([*trained, *(name for one in measured for name in one.metrics)]))
    title = f"{directory} on {split} completions, fresh samples"
    shown = table(title, "step", "decoding", "prompts", *names, left=["decoding"])
    for one in sorted(measured, key=lambda one: (one.decoding != "sampled", one.step)):
        values = [with_error(one.metrics.get(name), one.errors.get(name)) for name in names]
        shown.add_row(str(one.step), one.decoding, "–" if one.prompts is None else str(one.prompts), *values)
    Screen().show(shown)
