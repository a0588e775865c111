# `make` installs into .venv, .tools and .meltano (Meltano's plugins).
PYTHON ?= python3
# More than the machine's cores: many tests wait.
WORKERS ?= 4
# What `make test-pythons` looks for.
PYTHONS := 3.10 3.11 3.12 3.13 3.14
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadgroup

.DEFAULT_GOAL := help
.PHONY: $(shell awk -F: '/^[a-z-]+:/ { print $$1 }' Makefile)

help:  ## Show these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/ready  ## Load a shop's data into a DuckDB file through Meltano, twice
	$(BIN)/python -m dev.demo

sandbox: $(VENV)/ready  ## Serve a stand-in for the Export API; options: ARGS="--port 5000", ARGS=--help
	$(BIN)/python -m dev.sandbox $(ARGS)

test: $(VENV)/ready  ## Run all tests, with real targets, PostgreSQL and Meltano
	$(PYTEST)

test-fast: $(VENV)/ready  ## Run the tests that take less than a minute in all
	$(PYTEST) -m "not slow"

test-pythons:  ## Run the fast tests on every supported Python that is on the path or in pyenv
	@for version in $(PYTHONS); do \
		for python in python$$version ~/.pyenv/versions/$$version.*/bin/python missing; do \
			if $$python -c "" 2> /dev/null; then break; fi; \
		done; \
		echo "Python $$version: $$python"; \
		if [ $$python != missing ]; then \
			$(MAKE) PYTHON=$$python VENV=.tools/python$$version test-fast || exit 1; \
		fi; \
	done

lint: $(VENV)/ready  ## Check style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/ready  ## Fix what ruff can fix
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/ready  ## Measure CPU time and memory beside other programs; options: ARGS=--help
	$(BIN)/python -m dev.bench $(ARGS)

scale: $(VENV)/ready  ## Measure how a first export gets faster with intervals in parallel
	$(BIN)/python -m dev.scale

reliability: $(VENV)/ready  ## Count what faults, kills and odd inputs lose
	$(BIN)/python -m dev.reliability $(ARGS)
	$(PYTEST) --hypothesis-profile=many tests/unit/test_histories.py tests/wire

bench-analytics: $(VENV)/ready  ## Measure the dbt models on a million events
	$(BIN)/python -m dev.analytics

dictionary: $(VENV)/ready  ## Write docs/streams.md, and what dbt quotes of it, from the schemas
	$(BIN)/python -m dev.dictionary
	$(BIN)/python -m dev.dbt_docs

plugin: $(VENV)/ready  ## Write Meltano's plugin definition from meltano.yml
	$(BIN)/python -m dev.plugin

clean:  ## Remove what `make` installed and output/demo; name what may be yours
	rm -rf .venv .tools output/demo
	@for left in config.json salt.json state.json output.jsonl .meltano output/* venv meltano target target-* with-* airflow-venv build dist; do \
		if [ -e "$$left" ]; then echo "Left: $$left"; fi; done

$(VENV)/ready: pyproject.toml dev/requirements/tap.txt
	@echo "Installing into $(VENV) …"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint dev/requirements/tap.txt --editable . --group test --group lint
	@touch $@
