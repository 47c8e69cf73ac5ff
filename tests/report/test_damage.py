"""Whatever stands in the records, a page comes of it, or the remark that there is nothing to report."""

import json
import shutil
from pathlib import Path
from random import Random

import pytest

from damage import JUNK, places, replaced
from paretune.report import NothingToReportError, comparison_page, read_records, run_page
from paretune.report.comparisons import Comparison
from paretune.report.page import render
from report.records import ARMS, write_comparison, write_run


def damage(path: Path, random: Random) -> None:
    """Put something foreign in some places of a file."""
    whole = path.suffix == ".json"
    lines = [json.loads(path.read_text())] if whole else [json.loads(line) for line in path.read_text().splitlines()]
    for _ in range(3):
        i = random.randrange(len(lines))
        lines[i] = replaced(lines[i], random.choice(list(places(lines[i]))), random.choice(JUNK))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run of the hypervolume rule and a small comparison."""
    parent = tmp_path_factory.mktemp("whole")
    write_run(parent / "run", ARMS[3], steps=20)
    write_comparison(parent / "comparison", seeds=3, steps=10)
    return parent


FILES = [
    *(f"run/{file}" for file in ("run.json", "steps.jsonl", "evaluations.jsonl", "completions.jsonl", "pareto.json")),
    "comparison/comparison.json",
    "comparison/gradient-grpo-seed0/steps.jsonl",
    "comparison/hypervolume-grpo-seed1/evaluations.jsonl",
    *["comparison/summary.json"] * 4,
]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.turns
def test_foreign_values(whole: Path, tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    for i, file in enumerate(FILES):
        copy = tmp_path / str(i)
        shutil.copytree(whole / Path(file).parts[0], copy)
        damage(copy / Path(*Path(file).parts[1:]), random)
        try:
            records = read_records(copy)
        except NothingToReportError:
            continue
        page = comparison_page(records) if isinstance(records, Comparison) else run_page(records)
        assert render(page).endswith("</html>")
