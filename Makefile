# Everything a checkout needs, made here: `make demo` runs the relay, `make test` passes the tests.
# Python 3.11 on Linux. Nothing is installed outside .venv* and the weights' cache.

PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin/python
RELEVO := $(VENV)/bin/relevo
HUB := .venv-hub
S2T2 := .venv-s2t2
COMPILE := ../$(VENV)/bin/uv pip compile --quiet --no-emit-index-url --no-header --python-version 3.11 --python-platform linux
INSTALL := -m pip install --quiet --disable-pip-version-check
# Installs the checkout for the command `relevo`; its requirements and setuptools are there by then.
EDITABLE := --no-deps --no-build-isolation --editable .
CONFIG ?= pipelines/offline.yaml
RATIO ?= 1:1:1
# Tests run in so many processes. Each relay among them has processes of its own.
JOBS ?= 2
PYTEST := -m pytest -n $(JOBS) --dist worksteal
TIERS := test-unit test-relay test-models test-deploy test-hub

define new_venv
@command -v $(PYTHON) >/dev/null || { echo "relevo: $(PYTHON) is missing; install Python 3.11, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
$(PYTHON) -m venv $(1)
endef

.DEFAULT_GOAL := help
.PHONY: help demo dev test test-all test-images $(TIERS) lint hub env-s2t2 lock peers weights

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: weights ## set up, fetch the weights and translate samples/ (RATIO=1:1:2 to change the ratio)
	$(RELEVO) run --config $(CONFIG) --ratio $(RATIO) --report output/report.json samples/*.flac

test: $(TIERS) ## set up and run every test, tier by tier

test-all: test test-images ## every test, and the images built and started

test-unit: $(VENV)/.dev ## the tests to run while typing: no weights, no processes, seconds
	$(RUN) $(PYTEST) tests/unit

test-relay: $(VENV)/.dev ## relays of stand-ins: real processes and sockets, no weights
	$(RUN) $(PYTEST) tests/process tests/relay

test-models: $(VENV)/.dev weights ## the offline models on their real weights
	$(RUN) $(PYTEST) tests/models

test-deploy: $(VENV)/.dev ## the compose file, the Prometheus rules and the dashboards
	$(RUN) $(PYTEST) tests/deploy

test-hub: hub env-s2t2 weights ## the hub models, on tiny checkpoints of the real classes
	$(HUB)/bin/python $(PYTEST) tests/hub

test-images: $(VENV)/.dev weights ## build the images and run them; needs root on Debian, 6 GB and 20 minutes
	$(RUN) -m tests.deploy.images.build
	tests/deploy/images/isolated.sh $(RUN) -m pytest tests/deploy/images

lint: $(VENV)/.dev ## style, types and the direction of imports
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache --no-logo

weights: $(VENV)/.run ## fetch and verify the offline weights
	$(RELEVO) weights fetch

dev: $(VENV)/.dev ## the packages that `relevo load`, `tune` and `compare`, the measurements and the tests need besides

$(VENV)/.run: requirements/run.txt requirements/build.txt
	$(call new_venv,$(VENV))
	$(RUN) $(INSTALL) --requirement requirements/run.txt --requirement requirements/build.txt
	$(RUN) $(INSTALL) $(EDITABLE)
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	$(RUN) $(INSTALL) --requirement requirements/dev.txt
	@touch $@

hub: $(HUB)/.hub ## the environment of the hub models: torch, transformers, ESPnet

env-s2t2: $(S2T2)/.s2t2 ## the environment of a stage that runs Speech2Text2, which newer transformers do not have

$(HUB)/.hub: requirements/install_hub.sh requirements/hub-first.txt requirements/hub.txt requirements/cpu_torchaudio.py
	$(call new_venv,$(HUB))
	requirements/install_hub.sh $(HUB)/bin/python hub
	$(HUB)/bin/python $(INSTALL) $(EDITABLE)
	@touch $@

$(S2T2)/.s2t2: requirements/install_hub.sh requirements/hub-first.txt requirements/s2t2.txt
	$(call new_venv,$(S2T2))
	requirements/install_hub.sh $(S2T2)/bin/python s2t2
	@touch $@

peers: $(VENV)/.dev ## the systems that benchmarks/peers and benchmarks/relay/overhead.py compare (mosec, Ray: 1 GB)
	$(RUN) $(INSTALL) --requirement requirements/peers.txt

lock: $(VENV)/.dev ## resolve requirements/*.in again
	cd requirements && for set in run dev peers; do $(COMPILE) $$set.in --output-file $$set.txt || exit 1; done
	cd requirements && for set in hub s2t2; do \
		$(COMPILE) --overrides hub-overrides.txt $$set.in --output-file $$set.txt || exit 1; done
