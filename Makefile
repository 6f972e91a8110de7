# Two commands on a fresh machine: `make demo` and `make test`. Each sets up what it needs in .venv.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install -q --disable-pip-version-check
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
export OSTINATO_DATA ?= $(if $(wildcard ../shared/data),$(abspath ../shared/data))
DEMO := runs/demo-text/topics.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo test nightly check docs bench clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

.venv/torch: constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) torch==2.13.0
	touch $@

.venv/package: .venv/torch pyproject.toml constraints.txt
	$(INSTALL) -c constraints.txt -e '.[text,figures,export,planning,translation,tables,baselines]'
	touch $@

.venv/tools: .venv/package
	$(INSTALL) -c constraints.txt -e '.[test,checks]'
	touch $@

.venv/docs: .venv/package
	$(INSTALL) -c constraints.txt -e '.[docs]'
	touch $@

# The text that every CPython carries: the pages of Python's own help().
$(DEMO):
	mkdir -p $(dir $@)
	$(PYTHON) -c "from pydoc_data.topics import topics; print('\n\n'.join(topics.values()))" > $@

setup: .venv/tools ## install the package and its tools in .venv

demo: .venv/package $(DEMO) ## train a character language model for about three minutes, then let it write
	$(BIN)/ostinato train text --data $(DEMO) --updates 600 --hidden-size 384 --window 96 --learning-rate 4e-3

test: .venv/tools ## set up and run the tests
	$(PYTEST)

nightly: .venv/tools ## all tests: also the full product of combinations, and the slow ones
	$(PYTEST) -m ""

check: .venv/tools ## format, lint, types, and the order of the rooms
	scripts/check

docs: .venv/docs ## build the documentation in docs/_build/html
	$(BIN)/sphinx-build -q -W --keep-going docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: .venv/tools ## the benchmarks, one after the other, and the table of what they compared
	for script in $(filter-out benchmarks/table.py benchmarks/translation.py benchmarks/forecasting.py,$(wildcard benchmarks/*.py)) benchmarks/table.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean: ## remove what was built (runs stay)
	rm -rf .venv .peers .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist docs/_build *.egg-info
