# `make demo` and `make test` first make an environment of their own, as all targets do.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH ?= 2.13.0
RUNTIMES ?= onnx,executorch,openvino
# Small kernels on two threads lose to waiting; this is the safe default on busy machines.
export OMP_WAIT_POLICY := passive

.PHONY: demo test claims lint docs clean

demo: $(VENV)/installed
	$(BIN)/tenfold demo

# A process a core, one thread each: whole files go to one process, which keeps their fixtures.
test: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

# Judges saved networks anew; TENFOLD_DATA=FOLDER names CIFAR-10, without it its claims are left out.
claims: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks.claims.check_claims

lint: $(VENV)/installed-dev
	$(BIN)/ruff check src tests benchmarks examples research tools
	$(BIN)/ruff format --check src tests benchmarks examples research tools
	$(BIN)/mypy

# With --quiet, mkdocs would not count the warnings that --strict forbids.
docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# A CPU build of torch comes first: an open range may pull several gigabytes of CUDA packages.
$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==$(TORCH)
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet -e '.[dev,distributed,$(RUNTIMES)]' torch==$(TORCH)
	touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet -e '.[docs]' torch==$(TORCH)
	touch $@

clean:
	rm -rf $(VENV) build site
