# make setup | demo | test | test-qt6 | test-installed | test-lowest | soak | lint | clean
# (Debian/Ubuntu as root: system libraries are installed too)
SHELL := /bin/bash
PYTHON ?= python3
PYTHON311 ?= python3.11
PYTHON313 ?= python3.13
VENV := .venv
LOWEST := .venv-lowest
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
SCREEN := -screen 0 1600x1000x24 -nolisten tcp
XVFB := env QT_QPA_PLATFORM=xcb xvfb-run -a -s "$(SCREEN)"

.PHONY: setup demo test test-qt6 test-installed test-lowest lint soak clean

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

# All tests of windows once more, under PyQt6.
test-qt6: setup
	OMP_NUM_THREADS=1 QT_API=pyqt6 PYTEST_QT_API=pyqt6 $(XVFB) $(BIN)/python -m pytest -q tests/plugin --durations 10

# The wheel in environments that pip makes from nothing, segment to promote. Downloads some GB where no CPU build of torch is offered.
test-installed: setup
	$(BIN)/python tests/from_scratch.py pyqt5:$(PYTHON311) pyqt6:$(PYTHON313)

# Reading, dataset, exchange and segmenting with the lowest versions that setup.py claims, on Python 3.11.
test-lowest: $(LOWEST)/.ready
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -q --numprocesses 2 $(addprefix tests/training/,test_cine_*.py test_dataset*.py \
	  test_exchange.py test_archives.py test_mask_formats.py test_cli_segment.py test_cli_evaluate.py test_predictor.py test_preprocess.py test_models.py test_loop.py)

$(LOWEST)/.ready: setup.py constraints-lowest.txt
	test -x $(LOWEST)/bin/python || $(PYTHON311) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet -c constraints-lowest.txt -e '.[pyqt5,formats,video]' pytest pytest-timeout pytest-xdist hypothesis nibabel
	@touch $@

# Every promise of docs/reliability.md in its full form, as one table: make soak, or make soak PARTS="appends files"
soak: setup
	OMP_NUM_THREADS=1 $(XVFB) $(BIN)/python tests/soak $(PARTS)

clean:
	rm -rf $(VENV) $(LOWEST) build dist *.egg-info demo-output .pytest_cache .mypy_cache .ruff_cache
