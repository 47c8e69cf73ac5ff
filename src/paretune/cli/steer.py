"""``paretune steer RUN``: the answers of a steerable policy to one prompt, side by side at several priorities."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from transformers import AutoModelForCausalLM, AutoTokenizer

from paretune.cli.arguments import SteerArguments
from paretune.cli.bad_input import BadInputError
from paretune.cli.command_line import CommandLine
from paretune.cli.named_numbers import check_names
from paretune.cli.screen import Screen
from paretune.cli.task_source import header_of, run_of
from paretune.cli.train import quiet
from paretune.record.checkpoints import checkpoints
from paretune.record.fields import Fields
from paretune.steering import Template, shares
from paretune.steering.answers import answers

CORNERS = 4
"""Corners that are shown, at the most."""
LONGEST = 256
"""Tokens of an answer where the run does not say: TRL's default."""


def run(line: CommandLine) -> int:
    """Answer at the corners, at the centre and at the priorities asked for; the exit status."""
    arguments: SteerArguments
    (arguments,) = line.parser.make(line.given)
    quiet()
    directory = Path(line.words[0])
    folder, generation = _policy(directory)
    try:
        template = Template.load(folder)
    except FileNotFoundError as error:
        raise BadInputError(f"{directory} is not steerable: train a policy with --rule steerable.") from error
    except (OSError, ValueError) as error:
        raise BadInputError(error) from error
    assert not isinstance(arguments.priorities, str)  # it was read
    settings = _settings(template.names, arguments.priorities)
    prompt = template.example
    if arguments.prompt is not None:
        chat = not isinstance(prompt, str)
        prompt = [{"role": "user", "content": arguments.prompt}] if chat else arguments.prompt
    longest = arguments.max_completion_length or generation.count("max_completion_length") or LONGEST
    try:
        model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise BadInputError(f"the policy in {folder} cannot be loaded: {error}") from error
    if torch.accelerator.is_available():
        model.to(torch.accelerator.current_accelerator())
    told = generation.mapping("chat_template_kwargs")
    found = answers(model, tokenizer, template, prompt, settings, longest=longest, chat_template_kwargs=told)
    _print(template.names, prompt, settings, found)
    return 0


def _policy(directory: Path) -> tuple[Path, Fields]:
    """The folder of a policy, that of a run's last checkpoint, and how it generated in training."""
    home = run_of(directory)
    recorded = {} if home is None else header_of(home).generation
    generation = Fields(recorded, f"the generation in {home}")
    if home != directory:
        return directory, generation
    kept = checkpoints(directory)
    if not kept:
        raise BadInputError(f"the run {directory} has no checkpoint to steer.")
    return kept[max(kept)], generation


def _settings(names: Sequence[str], asked: Mapping[str, float] | None) -> list[list[float]]:
    """The first corners, the centre, and what was asked for, in the objectives' order."""
    count = len(names)
    found = [[float(k == corner) for k in range(count)] for corner in range(min(count, CORNERS))]
    found.append([1 / count] * count)
    if asked is not None:
        check_names("--priorities", asked, names)
        try:
            found.append(shares(asked, names))
        except ValueError as error:
            raise BadInputError(f"--priorities: {error}") from error
    return [setting for i, setting in enumerate(found) if setting not in found[:i]]


def _print(names: Sequence[str], prompt: Any, settings: Sequence[Sequence[float]], found: Sequence[str]) -> None:
    screen, table = Screen(), Table(show_lines=True)
    for name in names:
        table.add_column(name, justify="right")
    table.add_column("answer", overflow="fold")
    for setting, answer in zip(settings, found, strict=True):
        table.add_row(*(f"{value:.0%}" for value in setting), answer)
    said = prompt if isinstance(prompt, str) else "\n".join(str(message.get("content")) for message in prompt)
    screen.say(f"prompt: {said.strip()}")
    screen.print(table)
