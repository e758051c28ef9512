# What a person types. `make` alone lists it.
#
# Everything is installed from requirements/*.txt, where each version is pinned and each file has
# its hash; nothing else is fetched.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Lines of a lock file have hashes for every file, and the set is complete: pip resolves nothing.
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps
# The package itself, in place. hatchling is in the locked set, so nothing is fetched to build it.
INSTALL_SELF := $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-index \
	--no-build-isolation --editable .
UV_VERSION := 0.13.9
ARGS ?=
# One more than the two cores that the suite is kept quick for: tests wait, too.
WORKERS ?= 3
# What Python has compiled is kept, even where it is told not to: dozens of processes that the tests
# and the demo start would each compile all of cloudmgr again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## List what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# ------------------------------------------------------------------------------- environment
# A stamp says which locked set the environment has; a newer lock file, or pyproject.toml (entry
# points), brings the environment up to date.

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "cloudmgr needs Python 3.11 or later: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: requirements/demo.txt pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) -r requirements/demo.txt
	$(INSTALL_SELF)
	touch $@

# The set for developers holds the one for the demo.
$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) -r requirements/dev.txt
	$(INSTALL_SELF)
	$(BIN)/pip check --disable-pip-version-check
	touch $(VENV)/.demo $@

# Spark comes as its source, and setuptools, which is in the set above, builds it.
$(VENV)/.spark: requirements/spark.txt | $(VENV)/.dev
	$(PIP_INSTALL) --no-build-isolation -r requirements/spark.txt
	touch $@

.PHONY: venv
venv: $(VENV)/.dev  ## Set up .venv for working on cloudmgr

# --------------------------------------------------------------------------------------- use

.PHONY: demo
demo: $(VENV)/.demo  ## The whole job on this machine; ARGS=--headless for a report without pages
	$(BIN)/cloudmgr demo $(ARGS)

# -------------------------------------------------------------------------------------- check

.PHONY: test
test: $(VENV)/.dev  ## Run the tests; ARGS="-k invoice" for some of them
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup $(ARGS)

# With the machine to itself: it gives the evening as much time as the machine needs.
.PHONY: test-evening
test-evening: $(VENV)/.dev  ## Test with the traffic of an evening of 1998, and systems that sleep (two minutes)
	$(BIN)/pytest -m evening -o faulthandler_timeout=600 $(ARGS)

.PHONY: test-kubernetes
test-kubernetes: $(VENV)/.dev  ## Test against a real Kubernetes (a lab: needs Go, built once; or a disposable KUBECONFIG)
	$(BIN)/python -m tests.labs.kubernetes.build
	$(BIN)/pytest -m kubernetes -o faulthandler_timeout=300 $(ARGS)

# Each has its own lab; whose cloud is borrowed has it to itself.
CLOUDS = $(if $(OS_CLOUD),0,2)

.PHONY: test-openstack
test-openstack: $(VENV)/.dev  ## Test against a real OpenStack (a lab: installed once; or a disposable OS_CLOUD)
	$(BIN)/python -m tests.labs.openstack.build
	$(BIN)/pytest -m openstack -o faulthandler_timeout=600 -n $(CLOUDS) $(ARGS)

.PHONY: test-spark
test-spark: $(VENV)/.spark  ## Test the definition of rating with a real Spark (half a gigabyte, and Java)
	$(BIN)/pytest -m spark -o faulthandler_timeout=600 $(ARGS)

.PHONY: bench
bench: $(VENV)/.dev  ## Measure speed and idle cost, as bench/README.md says
	for part in reconcile api idle gateway; do $(BIN)/python -m bench.$$part; done

DEBIAN_PACKAGES := postgresql prometheus chromium fonts-noto-cjk libgomp1 \
	default-jre-headless
# PostgreSQL's package would set up and start a cluster, Prometheus' a server on every address, now
# and at each boot; the tests start their own.
NO_CLUSTER := /etc/postgresql-common/createcluster.d/cloudmgr-tests.conf
NO_START := /usr/sbin/policy-rc.d

.PHONY: test-deps
test-deps:  ## Install what the tests use of Debian: PostgreSQL, Prometheus, Chromium, … (as root)
	@have=$$(dpkg-query --show --showformat='$${db:Status-Status}\n' $(DEBIAN_PACKAGES) 2>/dev/null \
		| grep --count --line-regexp installed || true); \
	if [ "$$have" = $(words $(DEBIAN_PACKAGES)) ]; then echo "there already: $(DEBIAN_PACKAGES)"; exit; fi; \
	if ! command -v apt-get >/dev/null; then \
		echo "install what your system calls $(DEBIAN_PACKAGES)" >&2; exit 1; fi; \
	if [ "$$(id -u)" != 0 ]; then echo "run as root: sudo make test-deps" >&2; exit 1; fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	mkdir -p $(dir $(NO_CLUSTER)); \
	echo 'create_main_cluster = false' > $(NO_CLUSTER); \
	made=$(NO_CLUSTER); \
	if [ ! -e $(NO_START) ]; then \
		made="$$made $(NO_START)"; printf '#!/bin/sh\nexit 101\n' > $(NO_START); chmod 755 $(NO_START); fi; \
	trap 'rm -f $$made' EXIT; \
	had=$$(dpkg-query --show --showformat='$${db:Status-Status}' prometheus 2>/dev/null || true); \
	apt-get -o Acquire::Retries=3 -qq update; \
	apt-get -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 -qq install --yes --no-install-recommends \
		$(DEBIAN_PACKAGES) </dev/null; \
	[ "$$had" = installed ] || update-rc.d prometheus disable

.PHONY: lint
lint: $(VENV)/.dev  ## Check style, types, the floors of the house, and the policies
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/cloudmgr policy check

.PHONY: format
format: $(VENV)/.dev  ## Format, and mend what can be mended without thought
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

# -------------------------------------------------------------------------------------- build

COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header $(ARGS)
LAB := tests/labs/openstack/requirements.in

.PHONY: lock
lock:  ## Pin what pyproject.toml and the OpenStack lab ask for; ARGS=--upgrade for the newest of everything
	scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	$(PYTHON) -m venv "$$scratch"; \
	"$$scratch/bin/pip" install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
	PATH="$$scratch/bin:$$PATH"; \
	$(COMPILE) pyproject.toml -o requirements/runtime.txt; \
	$(COMPILE) pyproject.toml -c requirements/runtime.txt --extra demo --extra forecast --group build \
		-o requirements/demo.txt; \
	$(COMPILE) pyproject.toml -c requirements/demo.txt --extra demo --extra forecast --group dev \
		-o requirements/dev.txt; \
	$(COMPILE) -c requirements/dev.txt --group spark -o requirements/spark.txt; \
	$(COMPILE) $(LAB) -o requirements/openstack-lab.txt

.PHONY: wheel
wheel: $(VENV)/.dev  ## Build dist/*.whl
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .

.PHONY: clean
clean:  ## Remove what was made, but not .venv nor any state
	rm -rf dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find cloudmgr tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
