# make demo: the whole loop on real images. make up: the service for use. make test: the tests;
# make test-slow: whole systems, the largest networks, and faults: parts of a running service are
# killed, cut off, filled up. make test-faults FAULT_RUNS=40: each of the faults so often.
# make test-nightly: those that take minutes each and rarely find what the others do not.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --durations=20
# As many processes as cores: each computes on one.
PARALLEL_PYTEST := OMP_NUM_THREADS=1 $(PYTEST) -n auto --dist worksteal

.PHONY: demo test test-slow test-faults test-nightly up lint docs clean

demo: $(VENV)/installed
	$(BIN)/svp demo

up: $(VENV)/installed
	$(BIN)/svp up

test: $(VENV)/installed-dev
	$(PARALLEL_PYTEST) -m "not slow" $(PYTEST_ARGS)

test-slow: $(VENV)/installed-dev
	$(PARALLEL_PYTEST) -m "slow and not nightly" $(PYTEST_ARGS)

test-faults: $(VENV)/installed-dev
	$(PYTEST) -m faults $(PYTEST_ARGS)

test-nightly: $(VENV)/installed-dev
	$(PARALLEL_PYTEST) -m nightly --hypothesis-profile thorough $(PYTEST_ARGS)

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) docs

# The documentation, in out/site; a broken link is an error.
docs: $(VENV)/installed-dev
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(BIN)/mkdocs build --strict --quiet

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it by make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python's venv module is missing: apt install python3-venv"; exit 1; }

$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) out
