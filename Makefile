# make demo    see it work: a photo becomes a thumbnail, in a cloud on this machine
# make dev     run the cloud from this checkout, its data in .cache/dev
# make check   lint, types, import contracts, generated code        make test    all tests (make test-again: what failed)
# make test-clients  rclone, DuckDB, Delta, Iceberg and others against the real server (a gigabyte to install)
# make bench   figures, side by side with peers                     make generate    types from AWS's models
# make fuzz    requests that nobody meant, for SECONDS=600

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The first of these that is Python 3.11 or later; `make PYTHON=... demo` takes another.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3.14 python3; do \
	  $$name -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$name; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n > 8 ? 8 : n)))
TESTS ?= tests
FUZZ_SECONDS = $(or $(filter-out 0,$(SECONDS)),600)

.PHONY: help venv install install-dev install-clients demo dev check test test-again test-clients bench generate format clean

help:
	@sed -n 's/^# \{0,1\}//p; /^$$/q' Makefile

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "error: Python 3.11 or later is needed: install it, or name it: make PYTHON=/path/to/python3 demo" >&2; exit 1; }
	@echo "making the virtual environment with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV)

# The stamps say what is installed; a changed pyproject.toml installs again.
$(VENV)/.installed: $(BIN)/python pyproject.toml
	@echo "installing pilvi ..."
	@$(PIP) install --editable .
	@$(BIN)/python -m compileall -q src/pilvi
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml
	@echo "installing pilvi and what its tests need ..."
	@$(PIP) install --editable '.[dev]'
	@$(BIN)/python -m compileall -q src/pilvi
	@touch $@ $(VENV)/.installed

# Other people's clients of S3, whose demands on botocore are not ours: an environment of their own.
CLIENTS := .cache/clients
$(CLIENTS)/.installed: $(BIN)/python pyproject.toml
	@echo "installing the clients of S3 that tests drive ..."
	@[ -x $(CLIENTS)/bin/python ] || $(BIN)/python -m venv $(CLIENTS)
	@$(CLIENTS)/bin/python -m pip --disable-pip-version-check --quiet install --editable '.[clients]'
	@touch $@

venv: $(BIN)/python
install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev
install-clients: $(CLIENTS)/.installed

demo: install
	@$(BIN)/python tools/demo.py

dev: install-dev
	@$(BIN)/pilvi up --data .cache/dev --log-level debug

check: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tools/generate_types.py --check
	$(BIN)/python tools/generate_docs.py --check

test: install-dev
	$(BIN)/pytest -n $(JOBS) --dist worksteal $(TESTS)

# What failed in the run before, one by one.
test-again: install-dev
	$(BIN)/pytest --last-failed --last-failed-no-failures none $(TESTS)

test-clients: install-dev install-clients
	$(CLIENTS)/bin/pytest -n $(JOBS) --dist worksteal tests/conformance/clients

fuzz: install-dev
	@PYTHONPATH=tests $(BIN)/python -m fuzz --seconds $(FUZZ_SECONDS)

bench: install-dev
	@$(BIN)/python -m benchmarks $(BENCH)

generate: install-dev
	@$(BIN)/python tools/generate_types.py
	@$(BIN)/python tools/generate_docs.py

format: install-dev
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
