PYTHON ?= python3
VENV := .venv
TASK ?= arithmetic
BIN := $(VENV)/bin
# One thread a test process: small policies gain nothing from more. Four processes keep two cores busy, for tests wait
# for other processes and for disks. Each takes a quarter of the tests in their order, so that what a file sets up is set
# up once, and then what another has left.
# Bytecode is kept, whatever the environment says: or every process that a test starts would compile anew.
TEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/python -m pytest -n 4 --dist worksteal
# Tests that take turns: the number of commits chooses which of them run (tests/rotation.py).
TURN = --rotating $(or $(shell git rev-list --count --first-parent HEAD 2>/dev/null),0)
LEADERBOARD := treasure treasure_convex recall change charter arithmetic-60 arithmetic-180
ARITHMETIC := arithmetic-single arithmetic arithmetic-paper arithmetic-algorithms arithmetic-rloo arithmetic-reinforce++ \
	arithmetic-follow-up

DOCS := docs/_build

.PHONY: setup demo docs docs-links results results-arithmetic leaderboard records test test-slow test-rotating deepspeed soak lint bench bench-sandbox describe smollm2 policy clean browser

setup: $(VENV)/ready

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: setup  ## train the embedded policy with the rule nash: minutes on a laptop, nothing to download
	$(BIN)/paretune train --max_steps 40

docs: $(VENV)/docs-ready  ## the documentation as a site, docs/_build/html: spelling, links and the reference must be without a warning
	$(BIN)/codespell README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md docs examples src recipes
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b html docs $(DOCS)/html

docs-links: $(VENV)/docs-ready  ## the links to other sites; needs the network
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --quiet -b linkcheck docs $(DOCS)/links

$(VENV)/docs-ready: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[docs]"
	touch $@

results: setup  ## the runs behind docs/results.md (a day on two cores); run again, it goes on where it was
	for task in $(LEADERBOARD); do \
	  $(BIN)/paretune compare --config recipes/comparisons/leaderboard/$$task.yaml --jobs 2 \
	    --output_dir results/leaderboard/$$task || exit; \
	done

leaderboard: setup  ## the tables and figures of docs/results.md, from records/leaderboard/
	$(BIN)/python scripts/leaderboard.py $(foreach task,$(LEADERBOARD),$(wildcard records/leaderboard/$(task).tar.xz)) \
	  --tours $(wildcard records/leaderboard-tour/*.tar.xz) --page docs/results.md --figures docs

results-arithmetic: setup  ## the runs behind docs/results-arithmetic.md (seven to fourteen hours on two cores); resumes likewise
	for comparison in $(ARITHMETIC); do \
	  $(BIN)/paretune compare --config recipes/comparisons/$$comparison.yaml --jobs 2 --output_dir results/$$comparison || exit; \
	done

records: setup  ## what the runs have measured, without checkpoints: records/*.tar.xz, records/leaderboard/*.tar.xz
	$(BIN)/python scripts/pack_records.py $(filter-out results/leaderboard%,$(wildcard results/*))
	$(BIN)/python scripts/pack_records.py $(wildcard results/leaderboard/*) --to records/leaderboard
	$(BIN)/python scripts/pack_records.py $(wildcard results/leaderboard-tour/*) --to records/leaderboard-tour

test: setup browser
	$(TEST) $(TURN)

browser: setup
	@sh scripts/get_browser.sh $(BIN)

test-slow: setup browser deepspeed  ## what takes minutes or a large dependency (the remake of the policy, SmolLM2, DeepSpeed), and all cases of the tests that take turns
	$(TEST) -m "slow or turns" --ignore tests/soak

test-rotating: setup deepspeed  ## of the slow tests that hold the promises of docs/reliability.md a fifth, which the commit chooses
	$(TEST) -m slow $(TURN)

deepspeed: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[deepspeed]"

soak: setup  ## kills at random moments, thousands of steps: the figures of docs/reliability.md (half an hour on two cores)
	rm -f soak.jsonl
	$(TEST) -m slow tests/soak

lint: setup
	$(BIN)/ruff check src tests scripts benchmarks docs examples
	$(BIN)/ruff format --check src tests scripts benchmarks docs examples
	$(BIN)/mypy

bench: setup  ## what measuring influence costs: the tables of docs/performance.md (half an hour on two cores)
	$(BIN)/python benchmarks/influence.py

bench-sandbox: setup  ## what running programs costs: the table of docs/sandbox.md; DATA=DIR holds SafeSQL (3 minutes)
	$(BIN)/python benchmarks/sandbox.py --data $(DATA)

describe: setup  ## src/paretune/cli/described.json, by which commands know settings and rules before they import TRL
	$(BIN)/python scripts/describe_settings.py

smollm2: setup  ## SmolLM2-135M-Instruct as an ordinary folder under models/
	$(BIN)/python scripts/fetch_smollm2.py

policy: setup  ## make a task's embedded policy anew: TASK=recall
	$(BIN)/python scripts/make_policy.py --task $(TASK)

clean:
	rm -rf $(VENV) $(DOCS) build dist .pytest_cache .mypy_cache .ruff_cache
