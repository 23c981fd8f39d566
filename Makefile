# What a developer does, as commands. `make` alone lists them.
#
# Needs a Python of at least 3.11, or uv, which brings its own; nothing else. Where uv is on the PATH it is used: it
# installs in a fraction of the time.
#
# torch for the GPU takes 4.7 GB. With uv, `make run TORCH_BACKEND=cpu` installs the build for the CPU (0.7 GB); uv
# picks `auto`, `cpu` or a CUDA version, and UV_TORCH_BACKEND in the environment says the same.

VENV ?= .venv
CONFIG ?= config
ARGS ?=
N ?= 1
TORCH_BACKEND ?= $(UV_TORCH_BACKEND)

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TESTABLE := $(VENV)/.testable
WHEEL := build/wheel
UV := $(shell command -v uv 2>/dev/null)

SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help run demo kafka postgres install test lint types format bench bench-feeds bench-crash bench-cluster bench-latency eval test-wheel lock clean

help:  ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name what; do printf '%-15s%s\n' "$$name" "$$what"; done

# -- use it

run: $(INSTALLED)  ## install into .venv and start the daemon on config/ (CONFIG=folder for another one)
	@exec $(BIN)/wirewatch --config $(CONFIG) run $(ARGS)

demo: $(INSTALLED)  ## the whole flow in a minute, without any network
	@exec $(BIN)/wirewatch demo $(ARGS)

# Several processes share Kafka and PostgreSQL. These two are real, need neither Docker, Java nor root, and keep their
# data in data/; each prints the settings that use it.

kafka: $(TESTABLE)  ## Apache Kafka on this machine until Ctrl-C (N=3 for three nodes)
	@exec $(BIN)/python -m tests.servers.kafka --nodes $(N) $(ARGS)

postgres: $(TESTABLE)  ## PostgreSQL on this machine until Ctrl-C
	@exec $(BIN)/python -m tests.servers.postgres $(ARGS)

install: $(INSTALLED)  ## install into .venv, start nothing

# -- check it

test: $(TESTABLE)  ## run all tests (ARGS="-k words" for some)
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: $(TESTABLE)  ## ruff: rules and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(TESTABLE)  ## mypy, strict
	@$(BIN)/mypy

format: $(TESTABLE)  ## let ruff put right what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# The suite against the wheel: what is missing from it (a template, a migration) is seen before a user sees it. The
# tests run in a folder where the packages are not, with a Python that has the wheel, and borrows its dependencies
# from .venv through a .pth file: installing torch a second time would only repeat what pip has done.
test-wheel: $(TESTABLE)  ## run all tests against the built and installed wheel
	@rm -rf $(WHEEL)
	@$(BIN)/python -m build --wheel --no-isolation --outdir $(WHEEL) . >/dev/null
	@$(BIN)/python -m venv --without-pip $(WHEEL)/venv
	@set -e; \
	site=$$($(WHEEL)/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$site/dependencies.pth"; \
	$(BIN)/python -m pip --python $(WHEEL)/venv install --quiet --no-deps --ignore-installed $(WHEEL)/*.whl
	@mkdir $(WHEEL)/suite
	@cp -R tests benchmarks config *.md *.toml Makefile $(WHEEL)/suite/
	@cd $(WHEEL)/suite && ../venv/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

# -- measure it

bench: $(TESTABLE)  ## speed of the log, of embedding and matching, of an edit among 100,000 topics, and of stories
	@$(BIN)/python -m benchmarks.log $(ARGS)
	@$(BIN)/python -m benchmarks.embedding $(ARGS)
	@$(BIN)/python -m benchmarks.matching $(ARGS)
	@$(BIN)/python -m benchmarks.topics $(ARGS)
	@$(BIN)/python -m benchmarks.stories $(ARGS)

bench-feeds: $(TESTABLE)  ## 5,000 feeds on one process for half an hour (ARGS="--minutes 5")
	@$(BIN)/python -m benchmarks.feeds $(ARGS)

bench-crash: $(TESTABLE)  ## kill -9 at random moments under load, then count (ARGS="--kills 50")
	@$(BIN)/python -m benchmarks.crash $(ARGS)

bench-cluster: $(TESTABLE)  ## on Kafka and PostgreSQL: kill -9 of any role, brokers treated badly, outages, a rolling restart
	@$(BIN)/python -m benchmarks.crash --on kafka $(ARGS)
	@$(BIN)/python -m benchmarks.brokers
	@$(BIN)/python -m benchmarks.outages
	@$(BIN)/python -m benchmarks.rolling
	@$(BIN)/python -m benchmarks.scaling

bench-latency: $(TESTABLE)  ## from published to alerted (ARGS="--minutes 3 --rate 20")
	@$(BIN)/python -m benchmarks.latency $(ARGS)

eval: $(TESTABLE)  ## quality of matching and grouping on labelled news (WIREWATCH_EVAL=folder)
	@$(BIN)/python -m benchmarks.quality $(ARGS)
	@$(BIN)/python -m benchmarks.grouping

# -- keep it

lock:  ## write constraints.txt anew: the newest versions that pyproject.toml allows
	@rm -rf build/lock && $(MAKE) build/lock/.testable VENV=build/lock CONSTRAINTS=
	@{ sed -n 1p constraints.txt; build/lock/bin/python -m pip freeze --all --exclude-editable --exclude pip; } > build/constraints.txt
	@mv build/constraints.txt constraints.txt && rm -rf build/lock

clean:  ## remove .venv, caches and what was built; your data stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- the environment; made once, brought up to date when a version changes

CONSTRAINTS ?= -c constraints.txt

ifdef UV
PIP_ITSELF = true
PIP_INSTALL = $(UV) pip install --python $(VENV) $(CONSTRAINTS) $(if $(TORCH_BACKEND),--torch-backend=$(TORCH_BACKEND))
else
PIP_ITSELF = $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'  # knows --group
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off $(CONSTRAINTS)
endif

# pip's own output is some four hundred lines, and silence for minutes looks like a hang: the large downloads are told
define told
set -o pipefail; $(1) | while read -r verb what size; do \
  case "$$verb $$what $$size" in \
    "Downloading "*[MG]B")") echo "  $${what%%-*} $$size";; \
    "Installing collected "*) echo "  unpacking";; \
  esac; done
endef

$(BIN)/python:
ifdef UV
	@$(UV) venv --quiet --seed --python '>=3.11' $(VENV)
else
	@$(if $(TORCH_BACKEND),echo "TORCH_BACKEND works with uv only: install uv or leave it out" >&2; exit 2;) \
	for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making $(VENV) with $$($$python --version)"; \
	    exec $$python -m venv $(VENV); \
	  fi; \
	done; \
	echo "Wirewatch needs Python 3.11 or newer and none was found: install it, or name it with PYTHON=/path/to/python" >&2; \
	exit 1
endif

$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Wirewatch and what it needs into $(VENV); the first time takes minutes, torch is most of it"
	@$(PIP_ITSELF)
	@$(call told,$(PIP_INSTALL) -e . editables)  # what the editable install runs on: pip finds that out, uv does not
	@touch $@

$(TESTABLE): $(INSTALLED)
	@echo "Installing what the tests need"
	@$(call told,$(PIP_INSTALL) --group test)
	@touch $@
