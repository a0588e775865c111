# Everything is installed into .venv, .tools and .meltano; `make clean` removes it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo sandbox test test-fast lint format bench reliability scale clean

demo: .venv/ready  ## A shop's visitors in a warehouse, twice
	$(BIN)/python -m dev.demo

sandbox: .venv/ready  ## A stand-in for the Export API; ARGS="--port 5000 --faults 0.1", ARGS=--help
	$(BIN)/python -m dev.sandbox $(ARGS)

test: .venv/ready  ## All tests
	$(BIN)/python -m pytest

test-fast: .venv/ready  ## The tests that take no minutes
	$(BIN)/python -m pytest -m "not slow"

lint: .venv/ready  ## Style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/ready
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/ready  ## How fast the tap is, in ratios
	$(BIN)/python -m dev.bench.run

reliability: .venv/ready  ## Faults, kills and bad inputs, counted
	$(BIN)/python -m dev.reliability

scale: .venv/ready  ## How a first export gets faster with intervals side by side
	$(BIN)/python -m dev.scale

.venv/ready: pyproject.toml dev/requirements/tap.txt
	@echo "Installing into .venv …"
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint dev/requirements/tap.txt --editable . --group test --group lint
	@touch $@

clean:
	rm -rf .venv .tools .meltano output
