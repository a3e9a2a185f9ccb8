# The house's verbs. `make serve` and `make test` need only make and a Python of 3.11 or newer with venv; each does `make setup` first.
#
# A stamp in .venv says what is installed: a second run installs nothing and needs no network. Everything comes from requirements/*.txt:
# pinned, hash-checked, wheels only. Arguments go through ARGS, such as `make serve ARGS="--port 4100"` or `make test ARGS=tests/unit`.

VENV := .venv
PY := $(VENV)/bin/python
STAMPS := $(VENV)/stamps
LOCKS := requirements/base.txt requirements/dev.txt requirements/build.txt
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup serve test check format-is-ours lint types imports fast format bench bench-peers soak dist lock clean

help: ## list the verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

# The interpreter is sought when it is needed: PYTHON if given, else the first of these that runs and is new enough.
$(PY):
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "make setup: no Python of 3.11 or newer with venv was found; install one (Debian: python3 and python3-venv) or name it: make setup PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	echo "setting up $(VENV) with $$found"; \
	rm -rf $(VENV) && $$found -m venv $(VENV)

$(STAMPS)/locked: $(LOCKS) | $(PY)
	@echo "installing the locked requirements"
	@$(PY) -m pip install --quiet --require-hashes --only-binary :all: $(foreach lock,$(LOCKS),--requirement $(lock))
	@mkdir -p $(STAMPS) && touch $@

# Editable: the sources themselves are what runs. Needs no network, since the build backend is among the locked requirements.
$(STAMPS)/package: pyproject.toml $(STAMPS)/locked
	@$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@mkdir -p $(STAMPS) && touch $@

# The workers' modules as machine code, where there is a C compiler; made anew when a source of theirs is newer than the stamp.
$(STAMPS)/hot-path: $(STAMPS)/package src/sekisho/app/compiled.py $(shell find src/sekisho/kit src/sekisho/core src/sekisho/telemetry src/sekisho/dataplane -name '*.py' 2>/dev/null)
	@echo "compiling the hot path (half a minute)"
	@$(PY) -m sekisho.app.compiled
	@touch $@

setup: $(STAMPS)/package $(STAMPS)/hot-path ## make .venv with everything that the other verbs use

serve: setup ## start the product
	@exec $(VENV)/bin/sekisho serve $(ARGS)

test: setup ## all tests
	@$(PY) -m pytest $(ARGS)

check: format-is-ours lint types imports ## format, lint, types, import contracts

format-is-ours: setup
	@$(VENV)/bin/ruff format --check .

lint: setup
	@$(VENV)/bin/ruff check .

types: setup
	@$(VENV)/bin/mypy

imports: setup
	@$(VENV)/bin/lint-imports

fast: setup ## the tests that need no process of their own
	@$(PY) -m pytest tests/unit tests/arch $(ARGS)

format: setup ## write the sources as `check` wants them
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

bench: setup ## the table of budgets, nginx beside us (needs nginx and wrk)
	@$(PY) -m bench $(ARGS)

bench-peers: setup ## the same with other gateways beside us
	@$(PY) -m bench --peers $(ARGS)

soak: setup ## an hour of steady mixed work (SOAK_SECONDS): flat, or it fails
	@$(PY) -m bench.soak $(ARGS)

dist: setup ## wheel, sdist and their SHA-256 sums
	@rm -rf dist
	@$(PY) -m build --no-isolation --outdir dist .
	@cd dist && { if command -v sha256sum >/dev/null; then sha256sum sekisho-*; else shasum -a 256 sekisho-*; fi; } > SHA256SUMS
	@cat dist/SHA256SUMS

# Only this verb resolves versions. It asks the package index that pip is set up with and writes nothing about it into the files.
COMPILE = CUSTOM_COMPILE_COMMAND="make lock" PIP_FIND_LINKS= $(VENV)/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options --annotation-style=line --pip-args='--only-binary :all:'
GROUP = $(PY) -c 'import sys, tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"][sys.argv[1]], sep="\n")'

lock: setup ## resolve the requirements anew (with the oldest Python that we serve)
	@$(PY) -c 'import sys; sys.exit(None if sys.version_info[:2] == (3, 11) else "make lock: run it with Python 3.11, the oldest that we serve")'
	@$(COMPILE) --extra llama --output-file requirements/base.txt pyproject.toml
	@$(GROUP) build | $(COMPILE) --constraint requirements/base.txt --output-file requirements/build.txt -
	@$(GROUP) dev | $(COMPILE) --constraint requirements/base.txt --constraint requirements/build.txt --output-file requirements/dev.txt -

clean: ## remove what the other verbs made, the environment included
	@rm -rf $(VENV) .work dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
