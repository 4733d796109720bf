# Everything a newcomer needs: `make demo` and `make test`. Both set up what they need by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Where this is set, each of the tests' many processes compiles what it imports.
unexport PYTHONDONTWRITEBYTECODE

SECONDS ?= 600
SEED ?= $(shell date +%j%H%M)

.PHONY: help demo test soak bench chaos guards fuzz check fix fast services docs golden clean

help: ## show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . --group dev
	touch $(READY)

demo: $(READY) ## run 520 jobs, then label a table, against the built-in simulator: no key, no services
	$(BIN)/python jobs/demo.py

test: $(READY) services check ## everything: style, types, structure, all tests with real parts, and their coverage
	mkdir -p .coverage
	$(BIN)/pytest -n 6 --dist loadgroup -m "not soak" --ignore tests/structure --cov --cov-report json
	$(BIN)/python -m tools.coverage_floor .coverage/report.json

soak: $(READY) services ## the slow ones, hours: every rung, the limiter under load; then chaos for SECONDS (600), by SEED
	$(BIN)/pytest -m soak
	$(BIN)/pytest --hypothesis-profile=thorough tests/rules tests/tables tests/intake tests/simulator tests/output
	$(BIN)/python tests/chaos/soak.py --seconds $(SECONDS) --seed $(SEED)

bench: $(READY) services ## measure all of docs/benchmarks.md anew, half an hour; ONLY="throughput polls" for some of it
	$(BIN)/python tests/bench/run.py $(if $(ONLY),--only $(ONLY))

chaos: $(READY) services ## the last part of it alone: random troubles for SECONDS (600), by SEED
	$(BIN)/python tests/chaos/soak.py --seconds $(SECONDS) --seed $(SEED)

guards: $(READY) services ## take guards away in turn, then 20 drawn by SEED, and see tests go red; writes docs/guards.md
	$(BIN)/python tests/guards/remove.py
	$(BIN)/python tests/guards/random_guards.py --seed $(SEED)

fuzz: $(READY) ## throw bytes at the line reader for SECONDS (600); the corpus is kept in .fuzz
	mkdir -p .fuzz
	$(BIN)/python tests/fuzz/line_reader.py -max_total_time=$(SECONDS) .fuzz

check: $(READY) ## style, spelling, types, dead code, import arrows, schema, generated docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/vulture
	$(BIN)/vulture runner migrations
	$(BIN)/pytest -q -p no:randomly tests/structure

fix: $(READY) ## format the code, and mend the lint and spelling that a tool can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/codespell --write-changes

fast: $(READY) ## the pure rules only, in seconds
	$(BIN)/pytest tests/rules

services: ## PostgreSQL and Redis for the tests, from the system's packages where they are missing
	sh tests/services.sh

docs: $(READY) ## write the generated pages
	$(BIN)/python -m tools.docs.write

golden: $(READY) services ## write the held --json outputs again; `git diff tests/golden` then shows what changed
	GOLDEN=write $(BIN)/pytest -q -p no:randomly -n 2 tests/golden

clean: ## remove what the targets above made
	rm -rf $(VENV) .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz
