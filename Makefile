# Two commands do everything, set-up included: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: install demo test test-core lint clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[apps,dev]'
	@touch $@

# Made-up CT studies, two and a half minutes of training, predictions as DICOM SEG, a page of pictures.
demo: install
	$(BIN)/medlib demo --out demo

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	MYPYPATH=apps $(BIN)/mypy -p reviewing -p serving -p training -p viewer -p screens -m app -m bringing -m coding -m copying -m desk -m history -m lasting -m main -m ranking -m remarks -m sifting -m together -m watching -m which -m whose

test: lint
	$(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist loadgroup

# The core alone, with nothing but what it needs, on any supported torch: make test-core TORCH=2.11.0
CORE ?= .venv-core
TORCH ?= 2.13.0
test-core:
	$(PYTHON) -m venv $(CORE)
	$(CORE)/bin/pip install --quiet torch==$(TORCH) monai accelerate numpy scipy plum-dispatch safetensors pytest hypothesis
	PYTHONPATH=. $(CORE)/bin/python -m pytest tests/space tests/types tests/transforms medlib/space medlib/types medlib/transforms

clean:
	rm -rf demo build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
