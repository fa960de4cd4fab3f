# The two commands: `make demo` shows what earmark does, `make test` checks that it does. Both set up .venv themselves.
PYTHON ?= python3.11
BIN := .venv/bin
SONG ?=

.PHONY: help setup demo test lint bench clean
.DEFAULT_GOAL := help

help: ## Say what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.installed ## Set up .venv with all that development needs

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: setup ## Render a small dataset, run the three steps, compare, tag a song: make demo SONG=song.mp3
	$(BIN)/python -m earmark evaluate recipes/demo.toml
	$(BIN)/python -m earmark train recipes/demo.toml
	song="$(SONG)"; [ -n "$$song" ] || song=$$(ls runs/rendered/audio/*.flac | head -n 1); \
	    $(BIN)/python -m earmark tag --model runs/demo/model --top 6 --over-time \
	    --picture runs/demo/tags-over-time.png "$$song"

lint: setup ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint ## Check style and types, then run the tests
	$(BIN)/python -m pytest

bench: setup ## Measure the front end, the networks, training and the whole path on this machine
	for benchmark in benchmarks/*.py; do $(BIN)/python $$benchmark || exit 1; done

clean: ## Remove .venv and everything that was made in runs
	rm -rf .venv runs
