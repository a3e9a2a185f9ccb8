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
.PHONY: help setup serve test check format-is-ours lint types imports console console-api console-check console-looks console-pictures fast format bench bench-peers bench-console soak dist lock clean

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

# The console's front end, built with the Node.js that is among the locked requirements. The stamps know its sources: what did not change is not built.
CONSOLE_SOURCES := $(shell find console/src console/public -type f 2>/dev/null) $(wildcard console/*.html console/*.ts console/tsconfig.json console/package.json) \
	console/dev/budget.mjs console/dev/pack.mjs

$(STAMPS)/console-packages: console/package-lock.json console/.npmrc | $(STAMPS)/locked
	@echo "installing the console's locked packages"
	@$(PY) console/dev/npm.py ci --loglevel=error
	@touch $@

$(STAMPS)/console: $(STAMPS)/console-packages $(CONSOLE_SOURCES)
	@echo "building the console (half a minute)"
	@$(PY) console/dev/npm.py run --silent build
	@touch $@

setup: $(STAMPS)/package $(STAMPS)/hot-path $(STAMPS)/console ## make .venv with everything that the other verbs use

serve: setup ## start the product
	@exec $(VENV)/bin/sekisho serve $(ARGS)

test: setup ## all tests
	@$(PY) -m pytest $(ARGS)

check: format-is-ours lint types imports console-check ## format, lint, types, import contracts, the console's own

format-is-ours: setup
	@$(VENV)/bin/ruff format --check .

lint: setup
	@$(VENV)/bin/ruff check .

types: setup
	@$(VENV)/bin/mypy

imports: setup
	@$(VENV)/bin/lint-imports

console: $(STAMPS)/console ## build what people see, into the package

console-check: setup ## the console's description of the API, its lint and its own tests
	@$(PY) console/dev/openapi.py --check
	@$(PY) console/dev/npm.py run --silent types:check
	@$(PY) console/dev/npm.py run --silent lint
	@$(PY) console/dev/npm.py run --silent test

console-api: setup ## write the description of the management API, and the console's types, anew
	@$(PY) console/dev/openapi.py
	@$(PY) console/dev/npm.py run --silent types

console-looks: setup ## every screen in every width, language and theme, with pictures in .work/looks (half an hour)
	@SEKISHO_CONSOLE_LOOKS=all SEKISHO_CONSOLE_PICTURES=.work/looks $(PY) -m pytest --timeout 3600 tests/e2e/console/test_looks.py

console-pictures: setup ## the pictures of the tutorial, taken anew
	@SEKISHO_CONSOLE_PICTURES=docs/tutorial/pictures $(PY) -m pytest tests/e2e/console/test_first_call.py

fast: setup ## the tests that need no process of their own
	@$(PY) -m pytest tests/unit tests/arch $(ARGS)

format: setup ## write the sources as `check` wants them
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

bench: setup ## the table of budgets, nginx beside us (needs nginx and wrk)
	@$(PY) -m bench $(ARGS)

bench-peers: setup ## the same with other gateways beside us
	@$(PY) -m bench --peers $(ARGS)

bench-console: setup ## the console in a real Chromium: first paint, figures, weight, frames
	@$(PY) -m bench.console $(ARGS)

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
	@rm -rf $(VENV) .work dist build console/node_modules console/dist src/sekisho/api/static .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
