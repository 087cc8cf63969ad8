SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := .venv

# Never the one of the environment, which is made anew with it, though it may be the first on the path.
PYTHON := $(shell PATH="$(subst $(CURDIR)/.venv/bin:,,$(PATH))"; command -v python3.11 || command -v python3)
BIN := .venv/bin
PACKAGES := bot handlers kinds storage verifier
# Extra arguments for the program a target runs: make test ARGS="-k paid"
ARGS ?=

.PHONY: .venv run demo test simulate soak mutants test-slow test-regtest regtest test-cln lint format bench bench-holds bench-crowded bench-projects lock clean

# --- environment -----------------------------------------------------------

.venv: .venv/.installed

# A changed lock means a new environment.
.venv/.locked: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.lock
	touch $@

# Changed project metadata means installing the project itself again.
.venv/.installed: .venv/.locked pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# The relay of the end-to-end tests shares nothing with the project. It is
# installed by the project's own pinned pip, whatever pip Python came with.
.venv-relay/.locked: requirements-relay.lock | .venv/.locked
	rm -rf .venv-relay
	$(BIN)/python -m venv --without-pip .venv-relay
	$(BIN)/python -m pip --python .venv-relay/bin/python install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements-relay.lock
	touch $@

# --- the program (exec: signals reach it directly) --------------------------

run: .venv/.installed
	@exec $(BIN)/holdfast run $(ARGS)

demo: .venv/.installed
	@exec $(BIN)/holdfast demo $(ARGS)

# --- checks ----------------------------------------------------------------

test: .venv/.installed .venv-relay/.locked regtest
	@exec $(BIN)/python -m pytest -m "not slow" $(ARGS)

# Whole cities of people, relays, a node and the daemon, in simulated time and a storm of faults. Without a seed: a new one.
# make simulate SEED=12 LIVES=100
simulate: .venv/.installed
	@exec $(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(LIVES),--lives $(LIVES)) $(ARGS)

# New cities for hours.
soak: .venv/.installed
	@exec $(BIN)/python -m tests.simulation --fresh --seconds $(or $(SECONDS),14400) $(ARGS)

# Bugs of this field, one by one in a copy of the sources: the simulation must catch each. Some twenty minutes.
mutants: .venv/.installed
	@exec $(BIN)/python -m tests.simulation.mutants $(ARGS)

# The longer suites: every commit of a life killed, deeper searches by chance.
test-slow: .venv/.installed .venv-relay/.locked regtest
	@exec $(BIN)/python -m pytest -m slow $(ARGS)

# Only what runs on real LND nodes: the contract of a node, and lives.
test-regtest: .venv/.installed regtest
	@exec $(BIN)/python -m pytest -m "regtest and not slow" $(ARGS)

# Builds lnd and btcd for the tests, once. Without a Go toolchain it says what is left out.
regtest: .venv/.installed
	@exec $(BIN)/python -m tests.regtest.build

# The contract of a node, lives, and the ends of channels on real Core Lightning nodes, where they are installed.
test-cln: .venv/.installed
	@for name in lightningd bitcoind bitcoin-cli; do \
		command -v $$name >/dev/null || { echo "left out: the tests on real Core Lightning nodes; $$name is not on the path"; exit 0; }; \
	done; \
	exec $(BIN)/python -m pytest -m slow -k "cln-real or test_real_" tests/contract tests/cln $(ARGS)

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict $(PACKAGES) tests
	$(BIN)/lint-imports

format: .venv/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.installed
	@exec $(BIN)/python -m benchmarks.lives $(ARGS)

# On real LND nodes, which it builds once if need be.
bench-holds: .venv/.installed
	@exec $(BIN)/python -m benchmarks.holds $(ARGS)

# A daemon with many open agreements.
bench-crowded: .venv/.installed
	@exec $(BIN)/python -m benchmarks.crowded $(ARGS)

# Projects by their number of milestones.
bench-projects: .venv/.installed
	@exec $(BIN)/python -m benchmarks.projects $(ARGS)

# --- upkeep ----------------------------------------------------------------

# Keeps the present pins where it can; ARGS=--upgrade moves them all.
lock: .venv/.locked
	for name in requirements requirements-relay; do \
		CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
			--no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
			--output-file $$name.lock $(ARGS) $$name.in; \
	done

clean:
	rm -rf .venv .venv-relay build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
