"""Records of runs that were never trained, and what runs have recorded, for tests."""

from pathlib import Path

from paretune.record.entries import Header
from paretune.record.fields import Fields
from paretune.record.json_files import read_json
from paretune.record.json_lines import read_lines
from paretune.record.record import RunRecord
from paretune.record.run_directory import COMPLETIONS, FRONT

HEADER = {
    "task": "arithmetic",
    "rule": {"name": "gradient", "settings": {"mu": 1e-5}},
    "algorithm": "grpo",
    "objectives": [{"name": "accuracy", "maximize": True, "bounds": [0, 1]}],
    "model": "embedded",
    "seed": 7,
    "max_steps": 60,
    "evaluation": {"samples": 96, "temperature": 0.0, "every": 5},
    "threads": 2,
    "versions": {"trl": "1.16.0"},
}


def step(number, **fields):
    return {"batch": number, "step": number, "weights": {"accuracy": 1.0}, **fields}


def opened(directory, header=HEADER):
    record = RunRecord(directory)
    record.start(header)
    return record


def read_completions(directory):
    return read_lines(Path(directory) / COMPLETIONS)


def read_front(directory):
    return read_json(Path(directory) / FRONT)


def one_line(raised):
    message = str(raised.value)
    assert "\n" not in message
    return message


def files_of(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def whole_checkpoint(directory, number):
    folder = directory / f"checkpoint-{number}"
    folder.mkdir()
    for name in ("model.safetensors", "trainer_state.json", "paretune.json"):
        (folder / name).write_text("{}")
    return folder


def header_of(content):
    """A run.json as it is read."""
    return Header.of(Fields(content, "run.json"))
