# Two commands: `make demo` and `make test`. Both make their own environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Small kernels on two threads lose to waiting; this is the safe default on busy machines.
export OMP_WAIT_POLICY := passive

.PHONY: demo test lint clean

demo: $(VENV)/installed
	$(BIN)/tenfold demo

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest

lint: $(VENV)/installed-dev
	$(BIN)/ruff check src tests benchmarks research
	$(BIN)/ruff format --check src tests benchmarks research
	$(BIN)/mypy

# A CPU build of torch comes first: an open range may pull several gigabytes of CUDA packages.
$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet -e '.[dev,onnx,distributed,executorch,openvino]'
	touch $@

clean:
	rm -rf $(VENV) build
