VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
PYTHON ?= python3
SPEC ?= sweeps/ablation_gpt.yaml

.PHONY: sweep test test-browser test-all test-science test-faults check bench bench-gpu ui

sweep: $(STAMP)
	$(PY) -m lmtune.run $(SPEC) $(ARGS)

ui: $(STAMP)
	$(PY) -m lmtune.ui

test: check
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-browser: $(STAMP)
	$(PY) -m pytest -m browser -rs

test-science: $(STAMP)
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m science

test-faults: $(STAMP)
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m faults

test-all: check
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not bench"

check: $(STAMP)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

bench: $(STAMP)
	$(PY) -m tests.bench

bench-gpu: $(STAMP)
	$(PY) -m pytest -m gpu
	$(PY) -m tests.bench --device cuda

$(STAMP): requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@
