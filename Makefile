# `make demo` and `make test` are all a fresh clone needs; both install what they use into .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
THREADS := OMP_NUM_THREADS=2

.PHONY: demo test test-slow soak lint types bench bench-gpu docs clean help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(INSTALLED)  ## the whole road on a synthetic corpus, offline, into demo-out/
	$(BIN)/mertools demo --out demo-out

test: $(INSTALLED)  ## the suite without its slow tests
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(INSTALLED)  ## the slow tests: real clips, crashes, the demo
	$(BIN)/python -m pytest -m slow

soak: $(INSTALLED)  ## crash and fuzz tests, many rounds
	MERTOOLS_SOAK=1 HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest -m "slow or soak" tests/mertools/store tests/feature_extractors/engine

lint: $(INSTALLED)  ## style, dependency direction, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(INSTALLED)  ## benchmarks on the CPU; results go to benchmarks/results
	$(THREADS) $(BIN)/python benchmarks/store.py
	$(THREADS) $(BIN)/python benchmarks/face_track.py
	$(THREADS) $(BIN)/python benchmarks/scoring.py

clean:  ## remove what the targets above made, but not .venv
	rm -rf demo-out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(INSTALLED): setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@
