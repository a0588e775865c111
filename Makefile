# `make` installs into .venv, .tools and .meltano; `make clean` removes that, and what the README has you make.
PYTHON ?= python3
# More than the machine's cores: many tests wait.
WORKERS ?= 3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadgroup

.DEFAULT_GOAL := help
.PHONY: $(shell awk -F: '/^[a-z-]+:/ { print $$1 }' Makefile)

help:  ## Show these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: .venv/ready  ## Load a shop's data into a DuckDB file through Meltano, twice
	$(BIN)/python -m dev.demo

sandbox: .venv/ready  ## Serve a stand-in for the Export API; options: ARGS="--port 5000", ARGS=--help
	$(BIN)/python -m dev.sandbox $(ARGS)

test: .venv/ready  ## Run all tests, with real targets, PostgreSQL and Meltano
	$(PYTEST)

test-fast: .venv/ready  ## Run the tests that take less than a minute in all
	$(PYTEST) -m "not slow"

test-pythons: .venv/ready  ## Run tests on every supported Python that this machine has
	$(BIN)/python -m dev.pythons

lint: .venv/ready  ## Check style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: .venv/ready  ## Fix what ruff can fix
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/ready  ## Measure speed and memory, compared with other programs
	$(BIN)/python -m dev.bench

bench-duckdb: .venv/ready  ## Measure three ways from the API into tables of DuckDB
	$(BIN)/python -m dev.bench.duckdb_load

scale: .venv/ready  ## Measure how a first export gets faster with intervals in parallel
	$(BIN)/python -m dev.scale

reliability: .venv/ready  ## Count what faults, kills and odd inputs lose
	$(BIN)/python -m dev.reliability $(ARGS)

bench-analytics: .venv/ready  ## Measure the dbt models on a million events
	$(BIN)/python -m dev.analytics

dictionary: .venv/ready  ## Write docs/streams.md, and what dbt quotes of it, from the schemas
	$(BIN)/python -m dev.dictionary
	$(BIN)/python -m dev.dbt_docs

plugin: .venv/ready  ## Write Meltano's plugin definition from meltano.yml
	$(BIN)/python -m dev.plugin

clean:  ## Remove what was installed, and the README's folders with their warehouses
	rm -rf .venv .tools .meltano output with-duckdb with-target target target-* airflow-venv build dist transform/target transform/logs

.venv/ready: pyproject.toml dev/requirements/tap.txt
	@echo "Installing into .venv …"
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint dev/requirements/tap.txt --editable . --group test --group lint
	@touch $@
