# `make run` and `make test` work on a fresh Debian machine with python3.11, git, make and root: they install the rest.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
INSTALL := deploy/install-locked
# A file stays on one worker, so that each server is started once, and begins in the order of tests/conftest.py. (Not
# loadgroup: with pytest 9.2, pytest-xdist 3.8 distributes as if there were no groups, and says nothing.) One worker
# more than there are processors, for some tests wait for minutes to pass in Prometheus.
ON_WORKERS := -n 3 --dist loadfile --no-loadscope-reorder
# Public data for bench-causes, which are no part of the product.
LOGHUB ?= ../shared/data/loghub
RS ?= ../shared/data/rs
# FAULT_SEED="--seed 4711" replays the runs of test-faults that print it; another one each time where it is not given.
FAULT_SEED ?=

.PHONY: run test test-base test-faults lint rules rules-check dashboards dashboards-check schemas bench bench-rules bench-policies bench-causes bench-peers bench-webhook prices lock clean

run: .venv/.run.ok ## The whole loop on this machine, until Ctrl-C
	@deploy/install-packages prometheus prometheus-alertmanager
	@$(BIN)/python -m deploy.stack

test: .venv/.dev.ok ## All tests, on real Prometheus, Alertmanager and Chromium
	@deploy/install-packages prometheus prometheus-alertmanager chromium postgresql
	@$(BIN)/pytest $(ON_WORKERS)

test-base: .venv/.dev.ok ## The law of the base on 2,000 random histories, by their seeds
	@deploy/install-packages prometheus
	@$(BIN)/python -m tests.rules.law

test-faults: .venv/.dev.ok ## Kills, pauses, partitions, full and broken disks, for half an hour
	@deploy/install-packages prometheus-alertmanager postgresql gcc libc6-dev
	@FAULTS=all $(BIN)/pytest tests/fault -n 2 --dist loadfile
	@$(BIN)/python -m tests.fault --notifications 10000 --pause 8 $(FAULT_SEED)
	@$(BIN)/python -m tests.fault --notifications 10000 --pause 75 --store postgresql --replicas 2 $(FAULT_SEED)
	@$(BIN)/python -m tests.fault.cluster $(FAULT_SEED)
	@$(BIN)/python -m tests.simulation --steps 100000 $(FAULT_SEED)

lint: .venv/.dev.ok
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy examples
	$(BIN)/lint-imports --no-logo

rules: .venv/.run.ok ## Write rules/ from slos/
	@$(BIN)/slo-engine rules generate --tests

rules-check: .venv/.run.ok ## Fail when rules/ is not what slos/ says
	@$(BIN)/slo-engine rules check --tests

dashboards: .venv/.dev.ok ## Write deploy/grafana/ from slos/
	@$(BIN)/slo-engine dashboards

dashboards-check: .venv/.dev.ok ## Fail when deploy/grafana/ is not what slos/ says
	@$(BIN)/slo-engine dashboards --check

schemas: .venv/.run.ok ## Write docs/schemas/ from the models that read the files
	@mkdir -p docs/schemas
	@$(BIN)/slo-engine schema slos --out docs/schemas/slo-file.json
	@$(BIN)/slo-engine schema settings --out docs/schemas/settings.json

bench: .venv/.dev.ok ## The figures of docs/benchmarks.md
	@deploy/install-packages prometheus prometheus-alertmanager
	@$(BIN)/python -m benchmarks

bench-rules: .venv/.dev.ok ## What the rules cost and how exact they are, beside Sloth's and Pyrra's
	@deploy/install-packages prometheus
	@$(BIN)/python -m benchmarks.rules

bench-policies: .venv/.dev.ok ## How often alerts fire for nothing, and how soon a full outage pages
	@$(BIN)/python -m benchmarks.policies

bench-peers: .venv/.dev.ok .venv-peers/.ok ## The monitoring library beside OpenLIT, OpenLLMetry, Logfire, LangFuse and agento11y
	@$(BIN)/python -m benchmarks.peers --python .venv-peers/bin/python

bench-causes: .venv/.dev.ok .venv-drain3/.ok ## How often the evidence names the right cause, and what it costs
	@$(BIN)/python -m benchmarks.causes --loghub $(LOGHUB) --rs $(RS) --drain3 .venv-drain3/bin/python

bench-webhook: .venv/.dev.ok ## How many notifications are taken in a second, and how soon they reach a sink
	@deploy/install-packages prometheus
	@$(BIN)/python -m benchmarks.webhook

.venv-drain3/.ok: requirements/drain3.txt $(INSTALL)
	@$(BIN)/python -m venv .venv-drain3
	@$(INSTALL) .venv-drain3/bin/python $<
	@touch $@

.venv-peers/.ok: requirements/peers.txt $(INSTALL)
	@$(BIN)/python -m venv .venv-peers
	@$(INSTALL) .venv-peers/bin/python $<
	@touch $@

prices: .venv/.dev.ok ## Write the bundled price table anew from the genai-prices that is installed
	@$(BIN)/python -m deploy.bundle_prices

lock: ## Pin requirements/ anew (needs uv)
	uv pip compile $(LOCK) --group build pyproject.toml -o requirements/run.txt
	uv pip compile $(LOCK) --extra prices --extra presidio --extra apprise --extra dashboards --group dev -c requirements/run.txt pyproject.toml -o requirements/dev.txt
	uv pip compile $(LOCK_ANY) --extra langfuse --group peers pyproject.toml -o requirements/peers.txt
	uv pip compile $(LOCK_ANY) --group drain3 -o requirements/drain3.txt
# Hashes for every platform, no index host: the header would repeat the command line, so it is left out.
LOCK_ANY := --universal --python-version 3.11 --generate-hashes --no-header --quiet
LOCK := $(LOCK_ANY) --extra server --extra langfuse --extra postgresql

clean:
	rm -rf .venv .venv-peers .venv-drain3 .stack .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/.python.ok:
	@deploy/make-venv "$(PYTHON)"
	@touch $@

# Where the packages of the tests are installed already, they follow: beside those of another lock, nothing can be
# said of what is there. dev.txt has all that run.txt has.
.venv/.run.ok: .venv/.python.ok requirements/run.txt pyproject.toml $(INSTALL)
	@echo "installing the service into .venv"
	@$(INSTALL) $(BIN)/python requirements/$(if $(wildcard .venv/.dev.ok),dev,run).txt --editable .
	@touch $@

.venv/.dev.ok: .venv/.run.ok requirements/dev.txt
	@echo "installing what the tests need into .venv"
	@$(INSTALL) $(BIN)/python requirements/dev.txt
	@touch $@
