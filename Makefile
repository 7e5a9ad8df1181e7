# One place for the commands a contributor needs; `make` alone lists them.
#   PYTHON=python3.12   the interpreter that the environment is made with (3.11 or 3.12)
#   ARGS="..."          more arguments for the command: make demo ARGS="--quick", make test ARGS="-k merge"
#   FULL=1              make bench at the sizes that the published numbers are for: tens of minutes
PYTHON ?= python3
ARGS ?=
FULL ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MERGEKIT := .venv-mergekit
BENCHMARKS := $(patsubst benchmarks/%.py,%,$(wildcard benchmarks/[a-z]*.py))

# Nothing here needs the model hub; a test that asks it for something shall fail at once.
export HF_HUB_OFFLINE := 1

.DEFAULT_GOAL := help
.PHONY: help install mergekit demo test check soak bench clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## make .venv with the tested versions; a second call does nothing

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v < (3, 13) or sys.exit( \
	  "Python %d.%d found, 3.11 or 3.12 needed: make PYTHON=python3.11" % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev,eval]'
	@touch $@

# Its own environment: it needs transformers 5, we need 4. LGPL, used as a program beside ours and never imported.
mergekit: $(MERGEKIT)/.installed  ## make .venv-mergekit, which merges are compared with (some 6 GB)

$(MERGEKIT)/.installed:
	$(PYTHON) -m venv $(MERGEKIT)
	$(MERGEKIT)/bin/python -m pip install --disable-pip-version-check mergekit==0.1.5
	@touch $@

demo: $(STAMP)  ## text to merged model to report in minutes on a CPU
	$(BIN)/mmbert demo $(ARGS)

test: $(STAMP)  ## the tests that take seconds (the long ones: make test ARGS="-m slow")
	$(BIN)/pytest -m "not slow" $(ARGS)

check: $(STAMP)  ## what CI runs: lint, format, spelling, types, tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell
	$(BIN)/pyright
	$(MAKE) test

soak: $(STAMP)  ## kill a small run two dozen times, at every kind of place; it must come to the same end (20 minutes)
	$(BIN)/python -m tests.soak $(ARGS)

bench: $(STAMP)  ## the benchmarks at tiny sizes; for numbers: make bench FULL=1 BENCHMARKS=train_step
	@set -e; for name in $(BENCHMARKS); do echo "== $$name"; \
	  $(BIN)/python -m benchmarks.$$name $(if $(FULL),,--quick) $(ARGS); done

clean:  ## remove .venv, caches and build outputs (runs and data stay)
	@if [ -d $(VENV) ] && [ ! -e $(STAMP) ]; then echo "$(VENV) was not made by make: kept"; else rm -rf $(VENV); fi
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis
	@find mmbert_composer tests benchmarks -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
