# Everything runs in .venv. It is filled from requirements-dev.lock, every file checked against its hash, and filled
# again only when that lock or pyproject.toml has changed: the stamp's name holds their checksum.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.filled-$(shell cat requirements-dev.lock pyproject.toml 2>/dev/null | cksum | tr -d ' ')

.PHONY: help install up test lint soak bench lock

help:
	@echo "make up      start everything; ARGS='--port 3100' passes options on"
	@echo "make test    the whole test suite, against a real PostgreSQL"
	@echo "make lint    ruff and mypy"
	@echo "make soak    the long runs: kills, faults, outages; prints what they counted; SOAK_DAYS, SOAK_ORDERS_A_DAY: how long one is;"
	@echo "             SOAK_FOLDER=/some/where keeps it there, and the same command goes on after an interruption"
	@echo "make bench   the programs of benchmarks/"
	@echo "make lock    both lock files again; UPGRADE=--upgrade takes the newest versions"

install: $(STAMP)

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing $$(grep -c == requirements-dev.lock) packages into .venv, a minute or two the first time"
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	rm -f .venv/.filled-* && touch $@

up: install
	$(BIN)/marketplace-sync up $(ARGS)

test: install
	$(BIN)/pytest -n 4 -m "not soak" $(ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p marketplace_sync -p marketplace_sync_tests

soak: install
	$(BIN)/pytest -s -m soak $(ARGS)

bench: install
	@for program in benchmarks/[!_]*.py; do \
	  test -e "$$program" || { echo "there is nothing in benchmarks/ yet"; break; }; \
	  echo "== $$program" && $(BIN)/python "$$program" || exit 1; \
	done

# The extras in the names stay (gql[requests]==...): stock pip 23.2 refuses a hash-checked requirement whose extra it
# finds no pin for. No index, no local folder and no host of whoever runs this gets into the files.
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe \
	--no-strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links $(UPGRADE)

lock: install
	$(COMPILE) --extra dev --output-file requirements-dev.lock pyproject.toml
	$(COMPILE) --constraint requirements-dev.lock --output-file requirements.lock pyproject.toml
