# Everything here makes its own set-up first, as root or as an ordinary user. Needed: Python 3.11+ with venv, git, make.
#   make demo ARGS=--headless     make test ARGS="tests/unit/sample -k seed"     make install PYTHON=python3.13
PYTHON ?= python3
ARGS ?=
WORKERS ?= logical
KILLS ?= 100
SEED ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FETCH_WHEELS := $(BIN)/python -c 'from mlcycle.deploy import wheelhouse as w; print(len(w.fetch(w.default_folder())), "wheels in", w.default_folder())'

# Several threads in OpenMP spin against each other and against busy neighbours; small fits are faster with one.
export OMP_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install demo test torture check bench reference wheelhouse image clean distclean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

install: $(STAMP) ## make .venv with the mlcycle command in it; does nothing when that is up to date

# The stamp holds the folder, because scripts in .venv name their interpreter by its full path: a clone that was moved,
# or a Python that is gone, makes .venv anew. An interrupted installation is finished.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif
$(STAMP): pyproject.toml
	@test ! -e $(STAMP) || test "$$(cat $(STAMP))" = "$(CURDIR)" || rm -rf $(VENV)
	@command -v $(PYTHON) >/dev/null || { echo "make: no $(PYTHON) on PATH; Debian: apt-get install python3 python3-venv" >&2; exit 3; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: Python 3.11 or newer is needed, $(PYTHON) is older; try make install PYTHON=python3.12" >&2; exit 3; }
	@$(BIN)/python -c '' 2>/dev/null && $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || { echo "make: $(PYTHON) cannot make a virtual environment; Debian: apt-get install python3-venv" >&2; exit 3; }
	@echo "installing mlcycle and what it needs into $(VENV) (800 MB, a minute or two)"
	@$(BIN)/python -m pip install -qq --progress-bar off --editable '.[dev]'
	@$(FETCH_WHEELS) >/dev/null || echo "no wheelhouse: everything but images will work; try later: make wheelhouse" >&2
	@$(BIN)/mlcycle --version
	@echo "$(CURDIR)" > $(STAMP)

demo: install ## take the sample product once round the whole cycle, then open the UI (headless without a terminal)
	@$(BIN)/mlcycle demo $(ARGS)

test: install ## all tests, one worker a core (WORKERS=0: one by one); container tests are skipped when no engine answers
	@$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),-n $(WORKERS) --maxprocesses 8 --dist loadgroup tests)

torture: install ## kill processes of a workspace at random, 100 times; KILLS=1000 for longer, SEED=1 for the same choices again
	@MLCYCLE_KILLS=$(KILLS) MLCYCLE_TORTURE_SEED=$(SEED) $(BIN)/python -m pytest -s tests/torture $(ARGS)

check: install ## format, lint, types, arrows between the rooms, house rules, the wheel
	@failed=; run() { echo "$$1"; shift; "$$@" || failed=1; }; \
	run format $(BIN)/ruff format --check --output-format concise .; \
	run lint $(BIN)/ruff check --output-format concise .; \
	run types $(BIN)/mypy; \
	run arrows $(BIN)/lint-imports --no-logo; \
	run 'house, docs, wheel' $(BIN)/python -m pytest -q tests/contract; \
	test -z "$$failed" || { echo "make check: see above" >&2; exit 1; }

bench: install ## measure the budgets in CPU seconds; prints, never fails on a number
	@for script in benchmarks/*.py; do $(BIN)/python $$script $(ARGS) || exit; done

reference: install ## write docs/reference/ from the commands' help and the store's views
	@$(BIN)/python docs/make_reference.py

wheelhouse: install ## fetch the wheels that images of models are built from, as make install does
	@$(FETCH_WHEELS)

image: install ## build the tool's own image; BASE=IMAGE and OFFLINE=1 for machines without registry and index
	@$(if $(OFFLINE),$(BIN)/python -m pip download -qq --progress-bar off --dest build/wheels . 'hatchling>=1.27')
	docker build $(if $(BASE),--build-arg BASE=$(BASE)) $(if $(OFFLINE),--build-arg PIP_NO_INDEX=1) --tag mlcycle .

clean: ## delete what tests and builds left
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## the same, and .venv
	rm -rf $(VENV)
