# Each target sets up what it needs; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup setup-tests demo test coverage lint types contracts all soak bench bench-purge bench-backup bench-steps catalogue pins clean

RUN := .venv/bin

# Some shells forbid Python to keep what it compiled: then each of the tests' thousand commands compiles all of it anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: ## Set up .venv, the lab's storage server and RabbitMQ
	@tools/setup

demo: setup ## Break a small real SEP-MUSES, check it, fix it, prove it, and leave the report
	@$(RUN)/muses-runbook demo

setup-tests:
	@tools/setup --tests

test: setup-tests ## Run all tests on two workers, each with a lab of its own
	$(RUN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

coverage: setup-tests ## The same, with the coverage printed: a third slower
	$(RUN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered

lint: setup ## Style of the code
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .

types: setup ## Types, strictly
	$(RUN)/mypy

contracts: setup ## The direction of imports
	$(RUN)/lint-imports

all: lint types contracts test ## Everything that must be green before a change lands

soak: setup-tests ## The long tests
	$(RUN)/pytest -m soak -o addopts= --import-mode=importlib

bench: setup ## Measure what docs/benchmarks.md states
	$(RUN)/python -m benchmarks

bench-purge: setup ## Measure the purge beside its limit and its peers (20 min)
	$(RUN)/python -m benchmarks.purge --rows 1500000

bench-backup: setup ## Measure the backup beside what people do (10 min)
	$(RUN)/python -m benchmarks.backup --rows 3000000

bench-steps: setup-tests ## Measure hosts, slow log and indexes beside what people do (20 min)
	$(RUN)/python -m benchmarks.hosts
	$(RUN)/python -m benchmarks.slow_log --megabytes 300
	$(RUN)/python -m benchmarks.indexes --rows 1500000

catalogue: setup ## Extract and compile the translations, and say what is missing
	$(RUN)/python -m reports.catalogue extract
	$(RUN)/python -m reports.catalogue compile
	$(RUN)/python -m reports.catalogue check

pins: ## Choose the newest packages that fit, and pin them (needs uv)
	uv pip compile pyproject.toml requirements/build.in --extra age --extra search --extra dask --extra kubernetes --extra statements --extra notify --extra docx --extra otel --extra pdf \
	    --extra lab --extra dev \
	    --universal --upgrade \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11 --allow-unsafe \
	    --no-strip-extras --no-config -q -o requirements/everything.txt

clean: ## Take away what setup and tests made
	rm -rf .venv .venv-storage .cache .coverage .pytest_cache .mypy_cache .ruff_cache
