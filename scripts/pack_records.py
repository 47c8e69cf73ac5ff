"""The records of comparisons without their checkpoints, each as one archive, small enough to be committed.

    python scripts/pack_records.py results/* --to records

Unpacked into results/ again, `paretune report` and `make results` take them for what they were. The path of this
repository is left out of what is recorded, and the same records make the same archive.
"""

import argparse
import tarfile
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECORDS = {
    "comparison.json", "summary.json", "run.json", "steps.jsonl", "evaluations.jsonl", "completions.jsonl",
    "final_evaluations.jsonl", "known_front.jsonl", "pareto.json",
}  # fmt: skip


def pack(comparison: Path, archive: Path) -> int:
    """Put the records of a comparison into an archive, under its folder's name; how many files they are."""
    files = sorted(path for path in comparison.rglob("*.json*") if path.name in RECORDS)
    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for path in files:
            content = path.read_bytes().replace(f"{ROOT}/".encode(), b"")
            entry = tarfile.TarInfo(path.relative_to(comparison.parent).as_posix())
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, BytesIO(content))
    return len(files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparisons", nargs="*", type=Path)
    parser.add_argument("--to", type=Path, default=ROOT / "records")
    options = parser.parse_args()
    options.to.mkdir(exist_ok=True)
    for comparison in options.comparisons:
        archive = options.to / f"{comparison.name}.tar.xz"
        count = pack(comparison.resolve(), archive)
        print(f"{archive}: {count} files, {archive.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
