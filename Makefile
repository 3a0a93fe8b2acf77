# Everything a checkout needs, made here: `make demo` runs the relay, `make test` passes the tests.
# Python 3.11 on Linux. Nothing is installed outside .venv and the weights' cache.

PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin/python
CONFIG ?= pipelines/offline.yaml
RATIO ?= 1:1:1

.DEFAULT_GOAL := help
.PHONY: help demo test lint lock peers weights

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: weights ## set up, fetch the weights and translate samples/ (RATIO=1:1:2 to change the ratio)
	$(RUN) pipeline.py run --config $(CONFIG) --ratio $(RATIO) --report output/report.json samples/*.flac

test: $(VENV)/.dev weights ## set up and run every test
	$(RUN) -m pytest -n 2

lint: $(VENV)/.dev ## style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

weights: $(VENV)/.run ## fetch and verify the offline weights
	$(RUN) pipeline.py weights fetch

$(VENV)/.run: requirements/run.txt
	@command -v $(PYTHON) >/dev/null || { echo "relevo: $(PYTHON) is missing; install Python 3.11, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --requirement requirements/run.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check --requirement requirements/dev.txt
	@touch $@

peers: $(VENV)/.dev ## what benchmarks/overhead.py and benchmarks/peers measure us beside (mosec, Ray: 1 GB)
	$(RUN) -m pip install --quiet --disable-pip-version-check --requirement requirements/peers.txt

lock: $(VENV)/.dev ## resolve requirements/*.in again
	cd requirements && for set in run dev peers; do \
		../$(VENV)/bin/uv pip compile --quiet --no-emit-index-url --no-header --python-version 3.11 --python-platform linux \
			$$set.in --output-file $$set.txt || exit 1; done
