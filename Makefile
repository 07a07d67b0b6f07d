# `make demo` and `make test` set up their own environment; nothing else has to be installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint check-python clean

demo: $(VENV)/.demo
	$(BIN)/toolfinch demo

test: $(VENV)/.test
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "error: Python 3.11 or newer is needed; say PYTHON=/path/to/python3.11" >&2; exit 2; }

$(VENV)/bin/python: | check-python
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[demo]'
	touch $@

# llama-cpp-python compiles for some minutes the first time: for this machine, but without Intel's AMX. In GCC 12
# `_tile_loadconfig` tells the compiler of the first eight bytes of a tile configuration alone, the stores of the others
# are dropped, and llama.cpp dies at `ldtilecfg`. No cached wheel: it may be one with AMX.
NO_AMX := -U__AMX_INT8__

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	CFLAGS="$$CFLAGS $(NO_AMX)" CXXFLAGS="$$CXXFLAGS $(NO_AMX)" \
	  $(PIP) --no-cache-dir --no-deps --no-binary llama-cpp-python llama-cpp-python
	$(PIP) --editable '.[all]'
	$(PIP) --no-deps bfcl-eval==2026.3.23
	touch $@

clean:
	rm -rf $(VENV) dist build
