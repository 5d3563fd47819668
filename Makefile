# Two commands matter: `make demo` and `make test`. Both do all the set-up they need.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test lint docs wheel release clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "glioray needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(STAMP)

demo: install
	$(BIN)/glioray demo --out demo

test: install
	$(BIN)/python -m pytest -q --numprocesses 2 --no-loadscope-reorder

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: install
	$(BIN)/python docs/site/build.py build/docs

wheel: install
	$(BIN)/python -m build --no-isolation --outdir dist

# The version stands in platform/glioray/__init__.py; the tag of a release must say the same: see CONTRIBUTING.md.
release: install
	@version=v$$($(BIN)/python -c 'import glioray; print(glioray.__version__)'); \
	tag=$$(git describe --tags --exact-match 2>/dev/null || echo none); \
	test "$$tag" = "$$version" || { echo "glioray is $$version, the tag of this commit is $$tag: git tag $$version"; exit 1; }; \
	test -z "$$(git status --porcelain)" || { echo "the tree has changes that are not committed: commit them first"; exit 1; }
	$(MAKE) wheel

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
