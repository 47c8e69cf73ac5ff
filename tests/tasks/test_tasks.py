import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from datasets import Dataset

from paretune import tasks
from paretune.objectives import Objective, clarity

PROMPTS = Dataset.from_dict({"prompt": ["1+1="]})


def task(**changes):
    plain = tasks.Task(
        name="plain",
        description="One sum",
        train=PROMPTS,
        validation=PROMPTS,
        test=PROMPTS,
        objectives=[Objective("clarity", clarity)],
        model="nobody/nothing",
        mu=1.0,
        settings={},
    )
    return replace(plain, **changes)


def test_every_folder_is_a_task_and_says_in_one_line_what_it_is():
    folder = Path(tasks.__file__).parent
    packages = sorted(path.parent.name for path in folder.glob("*/__init__.py"))
    assert tasks.names() == packages
    assert "math500" in packages
    for name in packages:
        description = tasks.describe(name)
        assert description.strip()
        assert "\n" not in description


def test_listing_imports_no_task_nor_anything_heavy():
    # Read on its own: the package above it may import what it likes.
    program = (
        "import sys\n"
        "from importlib.util import module_from_spec, spec_from_file_location\n"
        f"spec = spec_from_file_location('listing', {tasks.__file__!r}, "
        f"submodule_search_locations=[{str(Path(tasks.__file__).parent)!r}])\n"
        "listing = module_from_spec(spec)\n"
        "sys.modules['listing'] = listing\n"
        "spec.loader.exec_module(listing)\n"
        "assert 'math500' in listing.names()\n"
        "print([m for m in ('torch', 'datasets', 'listing.math500') if m in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("ask", [tasks.load, tasks.describe])
@pytest.mark.parametrize("name", ["math5000", "", "problems", "math500.problems", "../math500", "__init__"])
def test_an_unknown_task_is_refused_in_one_line_with_the_known_ones(ask, name):
    with pytest.raises(ValueError, match="unknown task") as refusal:
        ask(name)
    message = str(refusal.value)
    assert repr(name) in message
    assert "did you mean " in message or all(known in message for known in tasks.names())
    assert "\n" not in message


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_task_needs_prompts_in_every_split(split):
    with pytest.raises(ValueError, match=f"The {split} split of task 'plain' is empty"):
        task(**{split: PROMPTS.select([])})
    with pytest.raises(ValueError, match=f"The {split} split .* add a column 'prompt'"):
        task(**{split: Dataset.from_dict({"question": ["1+1="]})})


@pytest.mark.parametrize("count", [0, 2])
def test_a_task_needs_objectives_with_distinct_names(count):
    with pytest.raises(ValueError, match="objectives of task 'plain' do not fit together"):
        task(objectives=[Objective("clarity", clarity)] * count)


@pytest.mark.parametrize("mu", [0.0, -1e-5, float("nan")])
def test_mu_must_be_positive(mu):
    with pytest.raises(ValueError, match=r"`mu` of task 'plain' must be positive"):
        task(mu=mu)
