# One command each. `make setup` makes .venv with everything in it; the other targets call it, and it does
# nothing where nothing has changed.
#
#   make lab LAB_ARGS="--no-browser --port 9000"
#   make test PYTEST_ARGS="-k server"

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
NODE_MODULES := labextension/node_modules/.jupyter_sse.sha256
NODE_CLIENTS := tests/clients/node_modules/.package-lock.json
WHEELS := dist
NOTEBOOK := 01-first-stream.ipynb

export CARGO_TERM_COLOR ?= auto
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Programs call each other by name: pip calls maturin, the tests call jupyter.
export PATH := $(CURDIR)/$(BIN):$(PATH)

RUST_SOURCES := $(shell find rust \( -name target -o -path rust/load \) -prune -o \( -name '*.rs' -o -name 'Cargo.*' \) -print)
LAB_SOURCES := $(shell find labextension \( -name node_modules -o -name lib -o -name tests \) -prune \
	-o -type f \( -path '*/src/*' -o -path '*/style/*' -o -path '*/schema/*' -o -name '*.json' -o -name .npmrc \) -print)
DATA_SOURCES := $(shell find jupyter_sse.data/data/etc -type f)

# Jupyter refuses to run as root unless told; in a container there is nobody else.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: help setup lab test test-rust test-python test-lab browser nginx fuzz miri bench lint format wheel check-wheel clean

help:
	@echo "make setup        .venv with everything, both extensions enabled"
	@echo "make lab          JupyterLab with the first notebook        [LAB_ARGS=…]"
	@echo "make test         all tests: Rust, Python, TypeScript, JupyterLab in Chromium  [PYTEST_ARGS=…]"
	@echo "make fuzz         fuzz what reads bytes from outside         [SECONDS=20, for each target]"
	@echo "make miri         the hub's log under Miri; needs nightly Rust"
	@echo "make bench        the benchmarks, beside the peers in the same run [WHAT=fanout] [BENCH_ARGS=--quick]"
	@echo "                  only where asked for: WHAT=soak SECONDS=600, WHAT=threads, WHAT=page"
	@echo "make lint         what CI would complain of"
	@echo "make format       format all three languages"
	@echo "make wheel        a wheel in $(WHEELS)/; make check-wheel installs it in a fresh environment"
	@echo "make clean        remove what was built; not .venv"

setup: $(INSTALLED)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "expected Python 3.11 or newer, got $$($(PYTHON) --version); set PYTHON=python3.…"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The tools that build, and the packages the project needs: only when the list of them changes.
$(VENV)/.tools: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade pip 'maturin>=1.9,<2'
	@touch $@

$(INSTALLED): $(VENV)/.tools pyproject.toml build_backend/jupyter_sse_build.py \
		$(RUST_SOURCES) $(LAB_SOURCES) $(DATA_SOURCES)
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable '.[dev]'
	@touch $@

lab: setup
	$(BIN)/jupyter lab $(AS_ROOT) --ServerApp.root_dir=notebooks --LabApp.default_url=/lab/tree/$(NOTEBOOK) $(LAB_ARGS)

# What is built for Python's tests is built while Rust's are. Of both, what they say comes in one piece, where make can.
test:
	@$(MAKE) --no-print-directory --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync) test-rust test-lab
	@$(MAKE) --no-print-directory test-python

# Every target of the fuzzer for so many seconds. It needs a C++ compiler, and neither nightly Rust nor sanitizers: hub and
# codec have no unsafe code. What it finds stands in rust/fuzz/artifacts; the corpus that is kept is run by `make test` too.
FUZZ_SECONDS := $(or $(SECONDS),20)
FUZZ_TARGETS := blocks decoder encoder frames links posts texts
CARGO_FUZZ := $(CURDIR)/$(VENV)/cargo

$(CARGO_FUZZ)/bin/cargo-fuzz:
	cargo install --quiet --locked --root $(CARGO_FUZZ) cargo-fuzz

fuzz: $(CARGO_FUZZ)/bin/cargo-fuzz
	@command -v c++ >/dev/null || { echo "expected a C++ compiler for libFuzzer, found none; install g++ or clang"; exit 1; }
	@cd rust/fuzz && PATH="$(CARGO_FUZZ)/bin:$$PATH" && for target in $(FUZZ_TARGETS); do \
		mkdir -p target/corpus/$$target && \
		cargo fuzz run --sanitizer none $$target target/corpus/$$target corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=4096 -verbosity=0 -print_final_stats=1 || exit 1; \
	done

# The log and what stands in it, in an interpreter that sees undefined behaviour; without the tests that fill megabytes.
miri:
	@cargo +nightly miri --version >/dev/null 2>&1 || \
		{ echo "expected Miri, found none; rustup toolchain install nightly --component miri,rust-src"; exit 1; }
	cd rust && MIRIFLAGS=-Zmiri-disable-isolation \
		cargo +nightly miri test --locked -p jupyter-sse-hub --lib -- log:: blocks:: holes:: own_ids:: departed:: block:: \
		--skip long_once --skip blocks_take_little --skip ids_that_were_many

test-rust:
	cd rust && cargo test --locked --workspace --exclude jupyter-sse-python
	cd rust && HUB_THREADS=2 cargo test --locked -p jupyter-sse-hub --test hub
	cd rust/load && cargo test --locked

# Building the bundle needs them too, but a bundle that is up to date is not built.
$(NODE_MODULES): labextension/package-lock.json | setup
	cd build_backend && $(CURDIR)/$(BIN)/python -c 'import jupyter_sse_build; jupyter_sse_build.install_packages()'
	@touch $@

test-lab: setup $(NODE_MODULES)
	cd labextension && npm test

# Readers of others, which the tests let judge.
$(NODE_CLIENTS): tests/clients/package-lock.json
	cd tests/clients && npm ci --no-audit --no-fund
	@touch $@

test-python: setup browser nginx $(NODE_CLIENTS)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# The tests in JupyterLab need a Chromium: the system's, else Debian's package where we may install it, else Playwright's.
browser: setup
	@if command -v chromium chromium-browser google-chrome >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium; \
	else \
		$(BIN)/python -m playwright install chromium; \
	fi

# The tests behind a proxy need nginx.
nginx:
	@if PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && \
		RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends nginx-core; \
	else \
		echo "expected nginx for the tests behind a proxy, found none; install it (nginx-core in Debian)"; exit 1; \
	fi

bench: setup $(if $(filter page,$(WHAT)),browser)
	$(BIN)/python -m benchmarks $(WHAT) $(if $(SECONDS),--seconds $(SECONDS)) $(BENCH_ARGS)

lint: setup $(NODE_MODULES)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd rust && cargo fmt --all --check
	cd rust && cargo clippy --locked --workspace --all-targets -- -D warnings
	cd rust/load && cargo fmt --check
	cd rust/load && cargo clippy --locked --all-targets --features tls -- -D warnings
	cd labextension && npm run lint

format: setup $(NODE_MODULES)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	cd rust && cargo fmt --all
	cd rust/load && cargo fmt
	cd labextension && npm run format

wheel: setup
	rm -rf $(WHEELS)
	$(BIN)/python -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir $(WHEELS) .
	@ls $(WHEELS)

# What a user gets: the wheel alone, in an environment of its own, where Jupyter says that both extensions are on.
check-wheel: wheel
	$(BIN)/python tests/check_wheel.py $(WHEELS)

clean:
	rm -rf rust/target build $(WHEELS) jupyter_sse.data/data/share jupyter_sse/_rust*.so \
		labextension/node_modules labextension/lib $(INSTALLED)
