# The commands of this project. `make help` lists them.
# Needs Python 3.11 or newer, Node 20 or newer, git and GNU make. `make setup` installs the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Any Python that can make a virtual environment. It only installs uv, which finds (or downloads) the
# Python of .python-version.
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := $(or $(shell uv --version >/dev/null 2>&1 && command -v uv),.tools/bin/uv)
export UV

BIN := .venv/bin

.PHONY: help setup demo dev test unit contract acceptance chaos outage upgrade batch quota drill fuzz bench check lint \
	types imports infra pins format requirements schemas screenshots azuretypes wheel package clean

help:
	@bold=; plain=; if [ -t 1 ]; then bold=$$'\033[1m'; plain=$$'\033[0m'; fi; \
	awk -v bold="$$bold" -v plain="$$plain" 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z]+:.*## / { printf "  %s%-13s%s %s\n", bold, $$1, plain, $$2 }' $(MAKEFILE_LIST)

##@ Start here

setup: .venv/.client .venv-sdks/.stamp node_modules/.stamp ## install everything that the other commands need

demo: setup ## run the whole system on this machine: submit jobs, show pictures and events
	@$(BIN)/python -m local demo

dev: setup ## run the whole system until Ctrl-C; .dev/env has the variables for other shells
	@$(BIN)/python -m local up --folder .dev

##@ Test

# Acceptance tests mostly wait, so two cores can run three at a time. The tests of a file share a stack,
# so they stay together.
test: setup ## run every test
	@$(BIN)/pytest -q -n 3 --dist loadfile

unit: .venv/.stamp ## run the fast tests: unit and architecture
	@$(BIN)/pytest tests/unit tests/architecture

contract: setup ## run the contract tests: in memory and with real services
	@$(BIN)/pytest tests/contract

acceptance: setup ## run the app under a host, with Azurite and the Foundry emulator
	@$(BIN)/pytest tests/acceptance

chaos: setup ## kill hosts, break calls, repeat messages; count lost and twice-paid jobs (SEED=1)
	@$(BIN)/python -m local chaos --seed $(or $(SEED),1)

outage: setup ## take the endpoint down for 2 minutes; count failed jobs and unknown outcomes (MODE=503|reset|silence SECONDS=120)
	@$(BIN)/python -m local outage $(if $(MODE),--mode $(MODE)) --seconds $(or $(SECONDS),120)

upgrade: setup ## run the app of an earlier commit beside this one, over the same storage (BEFORE=commit)
	@$(BIN)/python -m local upgrade --before $(or $(BEFORE),$(error BEFORE=commit: the version that runs now)) \
	  --seed $(or $(SEED),1)

batch: setup ## run a CSV of 1,000 lines, kill the host three times, check each line (LINES=1000)
	@$(BIN)/python -m local batch --lines $(or $(LINES),1000) --seed $(or $(SEED),1)

quota: setup ## run hosts that share a quota; measure its use and the 429s (SEED=1, TENANTS=3, LOAD="1 10 100")
	@$(BIN)/python -m local quota --seed $(or $(SEED),1) $(if $(TENANTS),--tenants $(TENANTS)) \
	  $(if $(LOAD),--load $(LOAD) --rpm 60)

drill: setup ## provoke each alert, print what an operator sees, six minutes (ONLY="silence spend" WRITE=1: into the runbook)
	@$(BIN)/python -m local drill $(if $(ONLY),--only $(ONLY)) $(if $(WRITE),--write)

fuzz: .venv-fuzz/.stamp ## try 5,000,000 strange inputs on all readers, half an hour on two cores (INPUTS=5000000 SEED=1)
	@.venv-fuzz/bin/python -m tests.fuzz --inputs $(or $(INPUTS),5000000) --seed $(or $(SEED),1)

bench: .venv/.stamp .venv-bench/.stamp node_modules/.stamp ## measure speed and memory, ten minutes (BENCH="--rounds 1 --no-page": less)
	@.venv-bench/bin/pytest --quiet -c tests/benchmarks/pytest.ini tests/benchmarks
	@.venv-bench/bin/python -m tests.benchmarks $(BENCH)

check: lint types imports infra pins ## run all checks that do not start the app

lint: .venv/.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pytest -q --no-header tests/architecture/test_prose.py

types: .venv/.stamp
	@$(BIN)/mypy

imports: .venv/.stamp
	@$(BIN)/lint-imports --no-logo

infra: .venv/.stamp
	@$(BIN)/pytest -q --no-header tests/infra

pins: $(UV)
	@scripts/requirements --check

##@ Develop

format: .venv/.stamp ## format the code, and fix what can be fixed automatically
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

requirements: $(UV) ## compile requirements*.txt from pyproject.toml (UPGRADE=1: newer versions)
	@scripts/requirements

schemas: .venv/.stamp ## write what docs/ derives from the code: schemas, tables, the picture of the house
	@$(BIN)/python -m local.contracts.schemas

screenshots: setup ## take the screenshots of the gallery in docs/gallery
	@$(BIN)/python -m tests.acceptance.gallery.screenshots

azuretypes: setup ## update the types of Azure's resources, for the checks of infra/
	@scripts/azure-types

wheel: .venv/.stamp ## build the client for other services, into dist
	@$(BIN)/python -m hatchling build --target wheel

package: .venv/.stamp | $(UV) ## build the app with its packages, for a deployment without a remote build
	@scripts/package

clean: ## remove generated files, except those of setup
	@rm -rf out dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -not -path './node_modules/*' \
	  -prune -exec rm -rf {} +

# What setup installs. A stamp is newer than its sources, so a second setup does nothing.

.tools/bin/uv:
	@echo "uv $(UV_VERSION), into .tools"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is missing, or older than 3.11: make setup PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv --clear .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.stamp: requirements-dev.txt .python-version | $(UV)
	@echo "Python $$(cat .python-version) and its packages, into .venv"
	@$(BIN)/python -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1])' \
	  "$$(cat .python-version)" 2>/dev/null \
	  || $(UV) venv --quiet --clear --python "$$(cat .python-version)" .venv
	@$(UV) pip sync --quiet --require-hashes --python $(BIN)/python requirements-dev.txt
	@touch $@

# The command `image-jobs` and the package `image_jobs`, as the wheel has them.
.venv/.client: .venv/.stamp pyproject.toml scripts/wheel.py $(shell find shared -name '*.py' -o -name '*.toml')
	@echo "The client of this working copy, into .venv"
	@$(UV) pip install --quiet --no-deps --no-index --no-build-isolation --reinstall-package image-jobs \
	  --python $(BIN)/python .
	@touch $@

.venv-bench/.stamp: requirements-bench.txt .python-version | $(UV)
	@echo "Packages for benchmarks, into .venv-bench"
	@$(UV) venv --quiet --clear --python "$$(cat .python-version)" .venv-bench
	@$(UV) pip sync --quiet --require-hashes --python .venv-bench/bin/python requirements-bench.txt
	@touch $@

.venv-fuzz/.stamp: requirements-fuzz.txt .python-version | $(UV)
	@echo "Packages for fuzzing, into .venv-fuzz"
	@$(UV) venv --quiet --clear --python "$$(cat .python-version)" .venv-fuzz
	@$(UV) pip sync --quiet --require-hashes --python .venv-fuzz/bin/python requirements-fuzz.txt

.venv-sdks/.stamp: requirements-sdks.txt .python-version | $(UV)
	@echo "Clients of others, into .venv-sdks"
	@$(UV) venv --quiet --clear --python "$$(cat .python-version)" .venv-sdks
	@$(UV) pip sync --quiet --require-hashes --python .venv-sdks/bin/python requirements-sdks.txt
	@touch $@

node_modules/.stamp: package-lock.json package.json
	@command -v npm >/dev/null || { echo "npm is missing: Node 20 or newer, please" >&2; exit 1; }
	@echo "Azurite and clients for tests, into node_modules"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@
