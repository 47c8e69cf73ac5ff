"""Time, memory, and where a result was measured."""

import platform
import re
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

import accelerate
import torch
import transformers
import trl
from torch.profiler import ProfilerActivity, profile


def clock() -> float:
    """Seconds, when all that was asked of the device is done."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    return time.perf_counter()


def peak_allocation(call: Callable[[], object]) -> int:
    """The most bytes that were allocated at one time during a call, beyond those there before."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    level = peak = 0
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda e: e.start_ns()):
        level += event.nbytes()
        peak = max(peak, level)
    return peak


def machine() -> str:
    """Processor, versions and command, in one line."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = re.findall(r"model name\s*: (.*)", information.read_text())
        processor = names[0] if names else processor
    threads = torch.get_num_threads()
    where = f"{threads} {'thread' if threads == 1 else 'threads'}, {processor}"
    if torch.cuda.is_available():
        where = f"{torch.cuda.get_device_name()}, {where}"
    script, *arguments = sys.argv
    command = shlex.join(["python", f"benchmarks/{Path(script).name}", *arguments])
    return (
        f"{where}; Python {platform.python_version()}, torch {torch.__version__}, transformers "
        f"{transformers.__version__}, trl {trl.__version__}, accelerate {accelerate.__version__}; `{command}`"
    )


def write_block(path: Path, name: str, lines: list[str]) -> None:
    """Put lines between the comments ``<!-- name -->`` and ``<!-- /name -->`` of a page, or at its end."""
    text = path.read_text() if path.exists() else ""
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    block = "\n".join([opening, *lines, closing])
    if opening in text:
        before, rest = text.split(opening, 1)
        text = before + block + rest.split(closing, 1)[1]
    else:
        text = f"{text.rstrip()}\n\n{block}\n"
    path.write_text(text)
