"""Figures as files."""

import json
from pathlib import Path

import matplotlib
import pytest
from PIL import Image

from paretune.report import NothingToReportError
from paretune.report.figures import STYLE, save_figures
from report.records import write_run

RUN = ["fronts", "meta-reward", "weights", "objectives", "hypervolume"]
MAGIC = {"pdf": b"%PDF-", "png": b"\x89PNG", "svg": b"<?xml"}


def test_the_figures_of_a_run(run: Path, tmp_path: Path) -> None:
    before = {name: matplotlib.rcParams[name] for name in STYLE}
    paths = save_figures(run, tmp_path / "new" / "figures", ["png"])
    assert {name: matplotlib.rcParams[name] for name in STYLE} == before
    assert [path.name for path in paths] == [f"{name}.png" for name in RUN]
    for path in paths:
        with Image.open(path) as image:
            assert image.width > 400
            assert len(image.convert("RGB").getcolors(1 << 24)) > 20


def test_the_figures_of_a_comparison(comparison: Path, tmp_path: Path) -> None:
    paths = save_figures(comparison, tmp_path, ["svg"])
    assert [path.stem for path in paths] == [*RUN, "contrasts", "results"]
    assert all(path.read_bytes().startswith(MAGIC["svg"]) for path in paths)


def test_formats(tmp_path: Path) -> None:
    only = write_run(tmp_path / "run")
    (only / "evaluations.jsonl").unlink()
    paths = save_figures(only, tmp_path / "out", list(MAGIC))
    assert [path.name for path in paths] == ["weights.pdf", "weights.png", "weights.svg"]  # the rest is of evaluations
    for path in paths:
        assert path.read_bytes().startswith(MAGIC[path.suffix[1:]])
    again = save_figures(only, tmp_path / "again", list(MAGIC))
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    with pytest.raises(ValueError, match="Formats are pdf, png, svg, got 'gif'"):
        save_figures(only, tmp_path, ["gif"])


def test_names_are_no_formulas(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run")
    text = json.dumps(r"$\frac{$ 大 <b>")
    for file in ("run.json", "steps.jsonl"):
        path = directory / file
        path.write_text(path.read_text().replace('"accuracy"', text))
    (directory / "evaluations.jsonl").unlink()
    assert len(save_figures(directory, tmp_path, ["png"])) == 1


def test_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(NothingToReportError):
        save_figures(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
