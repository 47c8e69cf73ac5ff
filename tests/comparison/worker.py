"""A worker that trains nothing: it does what its job says, and notes when."""

import json
import os
import sys
import time
from pathlib import Path

task = json.loads(sys.stdin.readline())
notes = Path(task["notes"])
note = notes / f"{task['name']}.new"
note.write_text(json.dumps({"pid": os.getpid(), "environment": dict(os.environ)}))
note.rename(note.with_suffix(".began"))
print(f"{task['name']} says this")
print(f"{task['name']} complains", file=sys.stderr, flush=True)
deadline = time.monotonic() + 30
while not all((notes / other).exists() for other in task.get("wait_for", [])):
    time.sleep(0.01)
    assert time.monotonic() < deadline
if task.get("deaf"):
    time.sleep(60)
if task.get("stay"):
    sys.stdin.read()  # until the other end is closed
    (notes / f"{task['name']}.told").touch()
(notes / f"{task['name']}.ended").touch()
sys.exit(task.get("exit", 0))
