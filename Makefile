# Everything a person runs. `make` alone lists it; each target that needs the environment makes it first.

VENV := .venv
PYTHON := $(VENV)/bin/python
PIP_QUIETLY := -m pip --quiet --disable-pip-version-check --no-input
PIP := $(PYTHON) $(PIP_QUIETLY)
CORE := $(PYTHON) -m core
# Version 1, which Debian 12 still has as docker-compose, reads neither the file's `name` nor `--wait`.
define COMPOSE
	@for compose in "docker compose" docker-compose; do \
		case "$$($$compose version --short 2>/dev/null)" in \
			[2-9].*|[1-9][0-9].*|v[2-9].*|v[1-9][0-9].*) exec $$compose $(1) ;; \
		esac; \
	done; \
	echo "This needs Docker with Compose 2 or newer; the product itself needs neither." >&2; \
	exit 1
endef
# One made with another Python, or left unfinished, is made anew.
WORKS = $(PYTHON) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
COMPILE := $(PYTHON) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock"

RUN := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
# What imports are measured against, in an environment of its own.
PEERS := .bench/peers/.installed

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help start dev test coverage check browser proxy bench lock migrate seed import-manual import-incremental \
	status health test-airtable docker-up docker-down docker-logs clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-28s%s\n", $$1, $$2 }'

# Use

start: $(RUN) ## serve the dashboard, the API and the scheduler
	@exec $(CORE) start

migrate: $(RUN) ## bring the database's tables up to date
	@exec $(CORE) migrate

seed: $(RUN) ## make the automations that every clinic may have
	@exec $(CORE) seed

import-manual: $(RUN) ## import everything from Airtable
	@exec $(CORE) import --full

import-incremental: $(RUN) ## import what changed in Airtable
	@exec $(CORE) import --incremental

status: $(RUN) ## tell whether an import runs, and the last success
	@exec $(CORE) status

health: $(RUN) ## tell whether everything is as it should be
	@exec $(CORE) health

test-airtable: $(RUN) ## test the connection to Airtable and its columns
	@exec $(CORE) test-airtable

# A PostgreSQL of your own in Docker; the product works without

docker-up: ## start PostgreSQL in Docker and wait until it is ready
	$(call COMPOSE,up --detach --wait)

docker-down: ## stop it, and the product in Docker; their data stay
	$(call COMPOSE,--profile app down)

docker-logs: ## show what they say
	$(call COMPOSE,--profile app logs --follow --tail 100)

# Work on it

# Streamlit must not watch core: it would evict modules of a living server (docs/decisions.md).
dev: $(DEV) ## serve it; a saved page shows at once, a saved core file restarts it
	@STREAMLIT_SERVER_FILE_WATCHER_TYPE=auto STREAMLIT_SERVER_RUN_ON_SAVE=true \
	STREAMLIT_SERVER_FOLDER_WATCH_BLACKLIST='["**/core"]' \
	exec $(PYTHON) -m watchdog.watchmedo auto-restart --directory core --recursive --patterns '**/*.py' \
		--signal SIGTERM --kill-after 20 --debounce-interval 0.3 --no-restart-on-command-exit \
		-- $(PYTHON) -m core start

test: $(DEV) browser proxy check ## check and test everything
	@exec $(PYTHON) -m pytest

coverage: $(DEV) browser proxy ## measure which branches of core the tests reach; fails below 95 %
	@exec $(PYTHON) -m pytest --cov --cov-report term

check: $(DEV) ## lint, format and types; the container files and scripts too
	@$(PYTHON) -m ruff check --quiet
	@$(PYTHON) -m ruff format --check --quiet
	@$(PYTHON) -m mypy --no-error-summary
	@$(VENV)/bin/hadolint Dockerfile
	@$(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	@$(VENV)/bin/shellcheck .ci/run

browser: ## find a Chromium for the tests, or install it
	@for name in "$$CHROMIUM" chromium chromium-browser google-chrome; do \
		if command -v "$$name" >/dev/null 2>&1; then exit 0; fi; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "Installing Chromium from the system's packages…"; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get -qq update && apt-get -qq install --no-install-recommends chromium fonts-liberation \
			>/dev/null && command -v chromium >/dev/null && exit 0; \
	fi; \
	echo "The tests need a browser: install the package chromium, or set CHROMIUM to its program." >&2; \
	exit 1

# RUNLEVEL keeps the package from starting a service of its own.
proxy: ## find an nginx for the tests, or install it
	@PATH="$$PATH:/usr/sbin"; \
	if command -v "$${NGINX:-nginx}" >/dev/null 2>&1 && command -v openssl >/dev/null 2>&1; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "Installing nginx from the system's packages…"; \
		export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
		apt-get -qq update && apt-get -qq install --no-install-recommends nginx openssl >/dev/null \
			&& command -v nginx >/dev/null && exit 0; \
	fi; \
	echo "The tests need the programs nginx and openssl: install the packages of these names." >&2; \
	exit 1

bench: $(DEV) $(PEERS) ## measure imports, figures and pages; ONLY="full unchanged" and ROUNDS=2 make it short
	@exec $(PYTHON) -m tests.benchmarks $(ONLY) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(HUGE),--huge)

lock: $(DEV) ## write the lock files anew from the .in files
	@$(COMPILE) requirements.in --output-file requirements.txt
	@$(COMPILE) requirements-dev.in --constraint requirements.txt --output-file requirements-dev.txt
	@$(COMPILE) tests/benchmarks/peers/requirements.in --output-file tests/benchmarks/peers/requirements.txt

clean: ## remove the environment and caches; data, logs and .env stay
	rm -rf $(VENV) .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov
	find core pages migrations tests -type d -name __pycache__ -prune -exec rm -rf {} +

# The environment

$(VENV)/bin/python:
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Making the environment in $(VENV) with $$("$$python" --version)."; \
			exec "$$python" -m venv --clear $(VENV); \
		fi; \
	done; \
	echo "Python 3.11 or newer is needed; install it and run make again." >&2; \
	exit 1

# The development environment is a superset, so it counts as both.
$(RUN): requirements.txt $(PYTHON)
	@$(WORKS) || { rm -rf $(VENV); $(MAKE) --no-print-directory $(PYTHON); }
	@echo "Installing what the product needs; once, for about a minute…"
	@$(PIP) install --require-hashes --no-deps --requirement requirements.txt
	@touch $@
	@echo "Installed."

$(DEV): requirements-dev.txt $(RUN)
	@echo "Installing what tests and checks need besides; once…"
	@$(PIP) install --require-hashes --no-deps --requirement requirements-dev.txt
	@touch $@
	@echo "Installed."

$(PEERS): tests/benchmarks/peers/requirements.txt $(PYTHON)
	@echo "Installing what imports are measured against; once…"
	@$(PYTHON) -m venv --clear .bench/peers
	@.bench/peers/bin/python $(PIP_QUIETLY) install \
		--require-hashes --no-deps --requirement tests/benchmarks/peers/requirements.txt
	@touch $@
	@echo "Installed."
