import subprocess
import sys
import tarfile
from pathlib import Path

from comparison.runs import TEST, checkpoint, make_run

ROOT = Path(__file__).parents[1]


def packed(comparison: Path, out: Path) -> Path:
    script = ROOT / "scripts" / "pack_records.py"
    subprocess.run([sys.executable, script, comparison, "--to", out], check=True, capture_output=True)
    return out / "comparison.tar.xz"


def test_records_come_back_as_they_were_without_checkpoints_and_the_path_of_the_repository(tmp_path: Path) -> None:
    comparison = tmp_path / "comparison"
    run = make_run(comparison / "tuning" / "run", measured={TEST: {20: (0.5, 0.5)}}, model=f"{ROOT}/src/policy")
    checkpoint(run, 20)
    (comparison / "comparison.json").write_text("{}")
    archive = packed(comparison, tmp_path / "records")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "again", filter="data")
    again = {path.relative_to(tmp_path / "again"): path.read_text() for path in (tmp_path / "again").rglob("*.json*")}
    assert {path.name for path in again} == {
        "comparison.json", "run.json", "steps.jsonl", "evaluations.jsonl", "final_evaluations.jsonl", "pareto.json",
    }  # fmt: skip
    for path, text in again.items():
        assert text == (tmp_path / path).read_text().replace(f"{ROOT}/", "")
    assert '"model": "src/policy"' in again[Path("comparison/tuning/run/run.json")]
    assert packed(comparison, tmp_path / "once-more").read_bytes() == archive.read_bytes()
