# make help lists the commands; everything else is in the README.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TABLES ?= ../shared/data/tables
# Else each of hundreds of processes that tests start compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo serve test test-long test-backends test-browser lint soak bench bench-planners drawing clean

help:  ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | column -t -s '|'

setup: $(STAMP)  ## make .venv and install Labwright with its development tools

# uv installs several times faster than pip; where it cannot be had, pip does the same. Compiled, Tiled starts in a fifth.
$(STAMP): pyproject.toml src/labwright/_version.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "pip>=25.1"
	{ $(BIN)/python -m pip install --quiet "uv>=0.8,<1" && \
	  $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable . --group dev; } || \
	  $(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

demo: $(STAMP)  ## run the reference lab's campaign on simulated instruments and write its report
	$(BIN)/labwright demo

serve: $(STAMP)  ## serve the reference lab's console on simulated instruments, with two campaigns under way
	$(BIN)/labwright demo --console

lint: $(STAMP)  ## ruff, mypy --strict and the layer rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# In the order of tests/conftest.py: the long files first, so that none of them is left to one core at the end.
# Six on two cores: a third of the time tests wait, for instruments, processes and disks.
test: lint  ## lint, then every test
	$(BIN)/python -m pytest -n 6 --dist loadfile --no-loadscope-reorder

test-long: $(STAMP)  ## the longer proofs, which CI runs after the tests
	$(BIN)/python -m pytest -n 3 --dist loadfile --timeout 600 -m "long and not soak"

# plain pip: uv prefers one index, and torch may come from another. Left in .venv; make clean takes it out.
test-backends: $(STAMP)  ## install the extras, and run the tests of what they bring
	$(BIN)/python -m pip install --quiet --editable ".[botorch,optuna,baybe,ortools,mcp,oidc]"
	OMP_NUM_THREADS=1 LABWRIGHT_REQUIRE_BACKENDS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m backends tests/planners tests/engine/test_improver.py tests/cli/test_mcp.py tests/service/test_oidc.py

# Chromium is the machine's own (apt-get install chromium); axe-core finds what keeps people out of a page.
test-browser: $(STAMP)  ## install Playwright and axe, and test the console in Chromium
	$(BIN)/python -m pip install --quiet --group browser
	npm install --silent --no-save --prefix $(VENV)/axe axe-core@4.14.1
	LABWRIGHT_REQUIRE_BROWSER=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m browser tests/browser

soak: $(STAMP)  ## long proofs: kill matrix, contract tests at every boundary, a week of weather
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m soak --timeout 3600
	LABWRIGHT_EXAMPLES=3000 $(BIN)/python -m pytest -n 2 --dist loadfile --timeout 3600 tests/engine/test_machine.py tests/engine/test_lab_machine.py tests/engine/test_moves_machine.py

bench: $(STAMP)  ## ratios against peers and limits; figures in benchmarks/README.md
	$(BIN)/python -m benchmarks

bench-planners: $(STAMP)  ## the planner against other optimisers on TABLES=FOLDER, and apart on SEALED=FOLDER; see benchmarks/planners/README.md
	@test -n "$(TABLES)" || { echo "make bench-planners TABLES=FOLDER: which folder holds the tables?"; exit 2; }
	$(BIN)/python -m benchmarks.planners all --tables "$(TABLES)" $(if $(SEALED),--sealed "$(SEALED)")

drawing: $(STAMP)  ## draw the house in docs/explanation/architecture.md from the code
	$(BIN)/python -m benchmarks.house_picture

clean:  ## delete .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist
