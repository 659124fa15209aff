# Collab's commands. `make help` lists them.
#
# What is installed is what the locks name, byte for byte (pip --require-hashes).
# A fresh machine needs Python 3.11 or later with venv, and make. Everything else
# installs itself below .venv and .data, or (a browser, nginx, libfaketime) through the system's
# package manager where that is allowed.

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

export PORT

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "%-14s %s\n", $$1, $$2 }'

# -- Setting up ----------------------------------------------------------------

.venv/.python:
	$(PYTHON) -m venv .venv
	@touch $@

INSTALL := $(BIN)/pip install -q --disable-pip-version-check --require-hashes

.venv/.runtime: .venv/.python requirements.lock
	$(INSTALL) -r requirements.lock
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.lock
	$(INSTALL) -r requirements-dev.lock
	@touch $@

.venv/.tools: .venv/.dev .ci/tools
	.ci/tools
	@touch $@

.PHONY: setup
setup: .venv/.tools ## Install everything the tests need

# -- Running -------------------------------------------------------------------

.PHONY: run
run: .venv/.runtime ## Set up, migrate, fill an empty database, serve on PORT (8000)
	@export DEMO=1; \
	$(BIN)/python manage.py migrate -v 0 && \
	$(BIN)/python manage.py demo && \
	$(BIN)/python manage.py collectstatic --noinput -v 0 && \
	exec $(BIN)/python manage.py serve

# -- Checking ------------------------------------------------------------------

TEST_ENV := SECRET_KEY=tests-only DATA_DIR=.data/tests

.PHONY: test
test: lint types unit integration e2e ## Everything: lint, types, unit, integration, end-to-end
	@echo "All tests passed."

.PHONY: lint
lint: .venv/.dev ## Style of Python and templates; settings and migrations complete
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint templates --lint --quiet
	$(TEST_ENV) $(BIN)/python manage.py check --fail-level WARNING
	$(TEST_ENV) $(BIN)/python manage.py makemigrations --check --dry-run -v 0

.PHONY: types
types: .venv/.dev ## Strict mypy
	$(TEST_ENV) $(BIN)/mypy

.PHONY: unit
unit: .venv/.dev ## Unit and integration tests on SQLite and the in-memory layer
	$(TEST_ENV) $(BIN)/pytest collab -p no:playwright -n 2

.PHONY: integration
integration: .venv/.dev ## The same tests on real PostgreSQL and Redis
	$(TEST_ENV) $(BIN)/python -m e2e.with_services $(BIN)/pytest collab -p no:playwright -n 2

.PHONY: e2e
e2e: .venv/.tools ## People in real Chromium, on both set-ups, and both deployments
	$(TEST_ENV) $(BIN)/pytest e2e -n 2 --ignore e2e/drills/test_processes.py
	$(TEST_ENV) $(BIN)/pytest e2e/drills/test_processes.py  # in seconds: with no test beside

.PHONY: drill
drill: .venv/.tools ## The faults that editing and serving must survive, at full length
	DRILL=1 $(TEST_ENV) $(BIN)/pytest collab/tests/test_bad_input.py collab/tests/test_fuzzing.py -p no:playwright -n 2
	DRILL=1 $(TEST_ENV) $(BIN)/pytest e2e/drills -n 2

.PHONY: bench
bench: .venv/.dev ## Measure, beside the conventional way and the physical limit
	$(BIN)/python -m bench

N ?= 2

.PHONY: cluster
cluster: .venv/.tools ## N processes behind nginx, with PostgreSQL and Redis, on PORT
	$(BIN)/python -m e2e.cluster $(N)

.PHONY: pictures
pictures: .venv/.tools ## Take the README's pictures anew
	$(BIN)/python -m e2e.screenshots

# -- The supply chain ----------------------------------------------------------

LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile -q --universal \
	--python-version 3.11 --generate-hashes --no-annotate $(if $(UPGRADE),--upgrade)

.PHONY: lock
lock: .venv/.dev ## Lock what requirements*.txt name, with hashes (UPGRADE=1: the newest below it)
	$(LOCK) requirements.txt -o requirements.lock
	$(LOCK) -c requirements.lock requirements-dev.txt -o requirements-dev.lock

.PHONY: licences
licences: .venv/.dev ## Write docs/licences.md, the licences of everything shipped
	$(BIN)/python -m deploy.supply licences

.PHONY: sbom
sbom: .venv/.dev ## Write sbom.json, the bill of materials (CycloneDX)
	$(BIN)/python -m deploy.supply sbom sbom.json

.PHONY: audit
audit: .venv/.dev ## Ask for known vulnerabilities (fails also if that cannot be done)
	$(BIN)/python -m deploy.supply audit

# -- Tidying -------------------------------------------------------------------

.PHONY: format
format: .venv/.dev ## Format Python
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COLLECT := makemessages -l it --no-obsolete --no-wrap --add-location file -e html,txt,py \
	--ignore .venv --ignore .data --ignore tests --ignore e2e --ignore bench

.PHONY: messages
messages: .venv/.dev ## Collect texts for translation, and compile them
	DEMO=1 $(BIN)/python manage.py $(COLLECT)
	cd collab && DEMO=1 ../$(BIN)/python ../manage.py compilemessages

.PHONY: clean
clean: ## Remove what was installed and written (the demo's database too)
	rm -rf .venv .data .mypy_cache .ruff_cache .pytest_cache .hypothesis test-results
