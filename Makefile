# `make demo` and `make test` are all a fresh clone needs; both install what they use into .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
THREADS := OMP_NUM_THREADS=2
CLIPS ?= ../shared/data/clips
NOISE ?= ../shared/data/emodb/wav
ROUNDS ?= 10
# Beside dev: what optional tests need. openSMILE (audio-smile) is for non-commercial use: leave it out where that binds.
EXTRAS ?= dev,ray,llm,audio-smile,tensorboard

.PHONY: demo test test-slow soak lint bench bench-gpu docs clean help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(INSTALLED)  ## the whole road on a synthetic corpus, offline, into demo-out/
	$(BIN)/mertools demo --out demo-out

test: $(INSTALLED)  ## the suite without its slow tests
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(INSTALLED)  ## the slow tests: real clips, crashes, the demo
	$(BIN)/python -m pytest -m slow

soak: $(INSTALLED)  ## crash and fuzz tests again and again (ROUNDS=10)
	for round in $$(seq $(ROUNDS)); do \
	    $(BIN)/python -m pytest tests/mertools/store tests/mertools/media tests/feature_extractors/engine || exit 1; \
	done

lint: $(INSTALLED)  ## style, dependency direction, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(INSTALLED)  ## benchmarks on the CPU (CLIPS=, NOISE= folders of real clips and sounds); results go to benchmarks/results
	$(THREADS) $(BIN)/python benchmarks/store.py
	$(THREADS) $(BIN)/python benchmarks/scoring.py
	$(THREADS) $(BIN)/python benchmarks/wheels.py
	$(THREADS) $(BIN)/python benchmarks/leaks.py
	$(THREADS) OMP_WAIT_POLICY=passive $(BIN)/python benchmarks/sweep.py --trials 2 --loop-epochs 1
	$(BIN)/python benchmarks/corrupt.py --clips $(CLIPS) --noise $(NOISE)
	$(THREADS) OMP_WAIT_POLICY=passive $(BIN)/python benchmarks/face_track.py $(CLIPS)

bench-gpu:  ## benchmarks on a GPU, with the interpreter PYTHON and clips that it makes itself
	PYTHONPATH=. $(PYTHON) -m mertools.cli demo --only-clips --out bench-out
	PYTHONPATH=. $(PYTHON) benchmarks/face_track.py bench-out/raw/clips --device cuda \
	    --out benchmarks/results/face_track_gpu.json
	PYTHONPATH=. $(PYTHON) benchmarks/sweep.py --device cuda --out benchmarks/results/sweep_gpu.json
	PYTHONPATH=. $(PYTHON) benchmarks/extraction.py --part gpu --out benchmarks/results/extraction_gpu.json

docs: $(INSTALLED)  ## the documentation as a site, into site/
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[docs]"
	$(BIN)/mkdocs build --strict

clean:  ## remove what the targets above made, but not .venv
	rm -rf demo-out bench-out site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(INSTALLED): setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRAS)]"
	touch $@
