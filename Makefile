# make run: everything from nothing. make docs: the documentation as a site. make lint, make test, make test-faults,
# make test-slurm: what CI does. make env: only the environment in .venv.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.lock
DOCS := $(VENV)/.docs
ENV := source $(VENV)/bin/activate &&

.PHONY: run env docs docs-env test test-faults test-slurm lint clean

run: env
	$(ENV) snakemake all
	$(ENV) snakemake all --report results/report.html
	@printf '\nResults:\n  results/gmm/\n  results/pbmc68k/\n  results/report.html\n'

env: $(STAMP)

# The stamp holds the digest of the lock, so that a fresh checkout's newer time stamp rebuilds nothing.
$(STAMP): requirements.lock pyproject.toml
	@digest=$$(cat requirements.lock pyproject.toml | sha256sum); \
	if [[ -e $(STAMP) && "$$(cat $(STAMP))" == "$$digest" ]]; then touch $(STAMP); exit 0; fi; \
	set -e; \
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("gde needs Python 3.11 or later; try make PYTHON=python3.11")'; \
	echo "building $(VENV)"; \
	rm -rf $(VENV); \
	$(PYTHON) -m venv $(VENV); \
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock; \
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	echo 'export SNAKEMAKE_PROFILE="$(CURDIR)/profiles/local"' >> $(VENV)/bin/activate; \
	echo "$$digest" > $(STAMP)

# The site in docs/_build/html, searchable, readable without a network.
docs: docs-env
	$(ENV) sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@printf '\nOpen docs/_build/html/index.html\n'

docs-env: $(DOCS)

$(DOCS): docs/requirements.lock $(STAMP)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r docs/requirements.lock
	@touch $(DOCS)

test: docs-env
	$(ENV) python -m pytest -n 2 --durations 25

# Kills, damage, full disks, bad servers, mutated inputs.
test-faults: env
	$(ENV) python -m pytest -n 2 --durations 25 tests/faults

# A real Slurm on this machine; needs Debian and root, else the tests are skipped.
test-slurm: env
	$(ENV) python -m pytest -n 0 --durations 25 tests/slurm

lint: env
	$(ENV) ruff check . && ruff format --check . && snakefmt --check workflow && snakemake --lint

clean:
	rm -rf $(VENV) .snakemake build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
