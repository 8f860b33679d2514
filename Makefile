# make setup | demo | test | soak | lint | clean        (Debian/Ubuntu as root: system libraries are installed too)
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
SCREEN := -screen 0 1600x1000x24 -nolisten tcp
XVFB := env QT_QPA_PLATFORM=xcb xvfb-run -a -s "$(SCREEN)"

.PHONY: setup demo test lint soak clean

setup: $(STAMP)

$(STAMP): setup.py constraints.txt tools/system-libraries.sh
	@tools/system-libraries.sh
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make setup PYTHON=python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[pyqt5,testing]'
	@touch $@

# With a screen: the window, ready to correct. Without: the same as a scripted tour, with figures and pictures.
demo: setup
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then \
	  $(BIN)/python -m napari_lightvessel demo; \
	else \
	  $(XVFB) $(BIN)/python -m napari_lightvessel demo --tour --output demo-output; \
	fi

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Two workers with one thread each; all windows belong to one of them (tests/conftest.py). A worker that
# dies is the end of it, red: put in another's place, pytest-xdist once waited for it for ever.
test: setup lint
	OMP_NUM_THREADS=1 $(XVFB) $(BIN)/python -m pytest -q --numprocesses 2 --max-worker-restart 0 --dist loadgroup --durations 40

# Every promise of docs/reliability.md in its full form, as one table: make soak, or make soak PARTS="appends files"
soak: setup
	OMP_NUM_THREADS=1 $(XVFB) $(BIN)/python tests/soak $(PARTS)

clean:
	rm -rf $(VENV) build dist *.egg-info demo-output .pytest_cache .mypy_cache .ruff_cache
