# Two commands on a fresh machine with Python 3.11 or newer and make: `make demo` and `make test`.

SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin

# Stamps carry a checksum of what was installed and where, so `make` installs again exactly when the
# lock, pyproject.toml or the folder changed; times lie after a checkout.
RUN := .venv/.run-$(shell (pwd; cat pyproject.toml requirements/run.txt) | cksum | cut -d' ' -f1)
DEV := .venv/.dev-$(shell (pwd; cat pyproject.toml requirements/dev.txt) | cksum | cut -d' ' -f1)

# Tests at a time, each file in one process. Many wait for sockets and processes; with more than there are cores they are late for what they wait for.
JOBS ?= 2

export PYTHON

.PHONY: help demo serve test lint types check bench instructions overload faults cache-tests docs pictures lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# exec: signals reach the gateway itself, so that ending make ends it and leaves no port taken.

demo: $(RUN)  ## the gateway and its mock services, and a first answer (ONCE=1: leave after it)
	@exec $(BIN)/gateway demo $(ARGS)

serve: $(RUN)  ## the gateway alone (ARGS="--config FILE --port 8080")
	@exec $(BIN)/gateway serve $(ARGS)

test: lint types check  ## everything: lint, types, contracts, then the tests (for pytest: ARGS="-k retry --no-cov")
	@echo "== tests"
	@$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --cov --cov-report=term-missing:skip-covered $(ARGS)

lint: $(DEV)  ## ruff: rules and format
	@echo "== lint"
	@$(BIN)/ruff check
	@echo "== format"
	@$(BIN)/ruff format --check

types: $(DEV)  ## mypy, strict
	@echo "== types"
	@$(BIN)/mypy

check: $(DEV)  ## who may import whom
	@echo "== contracts"
	@$(BIN)/lint-imports --no-cache --no-logo

bench: $(RUN)  ## what a request costs, beside the peers (ARGS="--quick --only fanin,fastify")
	@exec $(BIN)/python -m bench $(ARGS)

instructions: $(RUN)  ## what a request costs in instructions, the same on every run; needs valgrind (ARGS="--workload kept")
	@exec $(BIN)/python -m bench.instructions $(ARGS)

overload: $(RUN)  ## what becomes of answers when more is asked than can be done (ARGS=--quick)
	@exec $(BIN)/python -m bench.overload $(ARGS)

faults: $(DEV)  ## every fault of an upstream against a running gateway, and what crowds make of it, in eight minutes (ARGS="--only F3,F31")
	@exec $(BIN)/python -m faults $(ARGS)

cache-tests: $(RUN)  ## the public suite for HTTP caches against a running gateway; needs npm (ARGS="--suite github:http-tests/cache-tests")
	@exec $(BIN)/python -m conformance $(ARGS)

docs: $(DEV)  ## what is made from the code: the tables in docs/reference/config.md, the editors' schema and the services' documents in config/
	@$(BIN)/python docs/reference/generate.py
	@$(BIN)/gateway schema > config/gateway.schema.json
	@for name in users orders catalog recommendations; do $(BIN)/python -m services $$name --openapi > config/openapi/$$name.json; done

pictures: $(DEV)  ## of the console and of the terminal, in docs/pictures; needs Chromium
	@$(BIN)/python docs/pictures/make.py

lock:  ## requirements/*.txt from pyproject.toml (ARGS=--upgrade: the newest)
	@sh requirements/lock.sh "$$(sh requirements/install.sh find)" $(ARGS)

clean:  ## everything that make and the tests made
	rm -rf .venv .lock-venv .coverage htmlcov .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist bench/.cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN):
	@sh requirements/install.sh run $@

$(DEV):
	@sh requirements/install.sh dev $@
	@touch $(RUN)  # dev is run and more
