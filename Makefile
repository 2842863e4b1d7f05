# The two commands of the README: `make up` and `make test`. Each does its own set-up.
# ARGS go to the command: make up ARGS="--speed max --dataset green"
# JOBS is the number of processes that run tests: make test JOBS=0 for one, without pytest-xdist
.PHONY: help up test fast check chaos accuracy bench lock clean
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
SEEDS ?= 12
START ?= 0
JOBS ?= auto
export RUSHHOUR_PYTHON PIP_DISABLE_PIP_VERSION_CHECK = 1

help:
	@echo 'make up        install, start everything and replay October 2024 (ARGS="--speed max")'
	@echo 'make test      install and run all tests (RUSHHOUR_DATA_DIR=DIR for those on official files)'
	@echo 'make fast      the checks, unit tests and doctests: the loop while you write'
	@echo 'make check     ruff, mypy and the import rules'
	@echo 'make chaos     disturb runs: SEEDS=500 START=0, or SEED=17 for one again'
	@echo 'make accuracy  measure the forecasts beside baselines and LightGBM'
	@echo 'make bench     measure rushhour beside other stream processors on a real Kafka'
	@echo 'make lock      write the lock files from pyproject.toml'
	@echo 'make clean     delete what make made'

up: $(VENV)/.installed
	@$(BIN)/rushhour up $(ARGS)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(JOBS) -m "not nightly" $(ARGS)

fast: check
	$(BIN)/python -m pytest -q -n $(JOBS) rushhour producers dataflows consumers tests/unit $(ARGS)

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

chaos: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.chaos \
		$(if $(SEED),--seed $(SEED),--start $(START) --seeds $(SEEDS)) $(ARGS)

accuracy: $(VENV)/.installed-bench
	@$(BIN)/python benchmarks/accuracy.py $(ARGS)

bench: $(VENV)/.installed
	@$(BIN)/python -m benchmarks.peers $(ARGS)

lock: $(VENV)/.installed-dev
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url $(ARGS) pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --group bench -c requirements.lock pyproject.toml -o requirements-bench.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --group build -o requirements-build.lock

clean:
	rm -rf $(VENV) .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info

$(VENV)/bin/python:
	@python=$$(tools/find-python) && echo "setting up $(VENV) with $$python (once)" && \
		"$$python" -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing (once, about a minute)"
	@$(BIN)/python -m pip install -q --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --no-deps -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@$(BIN)/python -m pip install -q --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.installed-bench: requirements-bench.lock $(VENV)/.installed
	@$(BIN)/python -m pip install -q --require-hashes -r requirements-bench.lock
	@touch $@
