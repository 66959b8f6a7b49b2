# Every recipe stands alone: it makes .venv, installs what is pinned, and runs. A second call is immediate.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

ARGS ?=
# An empty environment hides the system's certificates from uv (and its older releases know the older name).
export UV_SYSTEM_CERTS := 1
export UV_NATIVE_TLS := 1
export UV_LINK_MODE ?= copy
# What is compiled is kept, whatever the environment says: each worker and each server of the tests would compile it anew.
export PYTHONDONTWRITEBYTECODE :=

BIN := .venv/bin
UV := VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv
PYTHON3 := $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
UI_SOURCES := $(shell find ui -type f -not -path '*/node_modules/*' -not -path 'ui/test/*' -not -path 'ui/mock/*' -not -path 'ui/checks/*' 2>/dev/null)

.PHONY: help
help: ## list the recipes
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: demo
demo: .venv/.ready ## play the loop on real components, and wait for your key (ARGS=--auto turns both keys itself)
	@$(BIN)/twokey demo $(ARGS)

# Each worker starts a PostgreSQL of its own; the tests of one file stay together (ARGS='-n 0 ...' is one process), in the
# order of `tests/conftest.py`.
WORKERS := -n auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder

.PHONY: test
test: .venv/.ready system ## run the tests (ARGS=... goes to pytest)
	@$(BIN)/python -m pytest $(WORKERS) $(ARGS)

.PHONY: check
check: .venv/.ready system lint types contracts dependencies pages coverage ## all that CI does

.PHONY: lint
lint: .venv/.ready ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: format
format: .venv/.ready ## ruff: mend what it can
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: types
types: .venv/.ready ## mypy, strict
	$(BIN)/mypy

.PHONY: contracts
contracts: .venv/.ready ## who may import whom
	$(BIN)/lint-imports

.PHONY: dependencies
dependencies: .venv/.ready ## deptry: nothing missing, nothing idle
	$(BIN)/deptry src

.PHONY: pages
pages: .venv/.ready ## the control room: svelte-check, unit tests, types as the server writes them
	@command -v npm >/dev/null || $(UV) pip install --quiet --require-hashes -r requirements/build.txt
	$(BIN)/python hatch_build.py check test
	$(BIN)/python ui/checks/api_types.py --check

.PHONY: coverage
coverage: .venv/.ready system ## the tests with branch coverage; engine and domain each at 95 percent at least
	$(BIN)/python -m pytest --cov=twokey --cov-branch --cov-report= $(WORKERS) $(ARGS)
	$(BIN)/coverage report --include='src/twokey/engine/*' --fail-under=95
	$(BIN)/coverage report --include='src/twokey/domain/*' --fail-under=95

.PHONY: bench
bench: .venv/.ready ## measure: each benchmark in turn (minutes)
	@for file in $$(grep -l __main__ benchmarks/*.py); do $(BIN)/python -m "benchmarks.$$(basename "$$file" .py)" $(ARGS); done

.PHONY: incidents
incidents: .venv/.ready ## how right the analyst is: incidents with a known cause (half an hour)
	@$(BIN)/python -m benchmarks.incidents $(ARGS)

.PHONY: requirements
requirements: .venv/.synced ## write requirements/*.txt anew from pyproject.toml (ARGS=--upgrade raises the pins)
	$(PIN) pyproject.toml --extra client --extra otel --extra server --extra clickhouse --extra postgres --extra model -o requirements/runtime.txt
	$(PIN) pyproject.toml --extra client --extra otel --extra server --extra clickhouse --extra postgres --extra model --group dev \
		-c requirements/runtime.txt -o requirements/dev.txt
	$(PIN) --group build -c requirements/dev.txt -o requirements/build.txt
	$(PIN) --group setup -c requirements/dev.txt -o requirements/setup.txt

PIN := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes $(ARGS) \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make requirements'

.PHONY: wheel
wheel: .venv/.ready ## build the wheel into dist/
	$(UV) build --wheel --build-constraint requirements/build.txt

.PHONY: system
system: ## install the system packages that tests need, where this is root on Debian
	@.ci/system-packages

.PHONY: clean
clean: ## forget the environment and what was built
	rm -rf .venv dist ui/node_modules src/twokey/surfaces/control_room

# ---------------------------------------------------------------- the environment

.venv/bin/uv: requirements/setup.txt
	@[ -n "$(PYTHON3)" ] || { echo 'Twokey needs Python 3.11 or newer, and found none on PATH.' >&2; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON3) -m venv --without-pip .venv
	@echo 'Setting up .venv (once) ...'
	@$(PYTHON3) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --require-hashes -r requirements/setup.txt
	@touch $@

.venv/.synced: requirements/dev.txt .venv/bin/uv
	@$(UV) pip sync --quiet --require-hashes requirements/dev.txt
	@touch $@

# `sync` takes away what the file does not name, so the project itself comes after it.
.venv/.ready: .venv/.synced pyproject.toml hatch_build.py requirements/build.txt src/twokey/__init__.py $(UI_SOURCES)
	@$(UV) pip install --quiet --no-deps --build-constraint requirements/build.txt --editable .
	@touch $@
