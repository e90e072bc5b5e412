# `make run` and `make test` need git, make and a Python 3.11 or newer with venv; everything else goes into .venv.
# Works with GNU make 3.81, which is what macOS has.

PY      := .venv/bin/python
PIP     := $(PY) -m pip install --quiet --disable-pip-version-check
PYTEST  := $(PY) -m pytest
# What an installation is made of: when none of it is newer, nothing is installed again.
SOURCES := setup.cfg pyproject.toml $(shell find twisted twisted_pulp -type f ! -name '*.pyc' ! -name dropin.cache)
TYPED   := twisted_pulp $(wildcard examples benchmarks)

.PHONY: help run serve test lint types docs unit integration examples bench bench-sync bench-cluster bench-serving news format clean
# One thing after the other, also under -j: pytest's line is to be the last.
.NOTPARALLEL:

help:
	@echo 'make run          fetch the newest files of well-known projects into downloads/, sync and verify them,'
	@echo '                  and let pip and the API use a daemon in front of the index'
	@echo 'make serve        the same daemon, which stays'
	@echo 'make test         everything below up to integration, with coverage'
	@echo 'make lint         ruff'
	@echo 'make types        mypy'
	@echo 'make docs         the documentation, into docs/_build'
	@echo 'make unit         tests that open no socket'
	@echo 'make integration  tests against servers on 127.0.0.1'
	@echo 'make bench        the benchmarks, against other clients'
	@echo 'make bench-sync   the benchmarks of syncs'
	@echo 'make bench-serving benchmarks of what is served'
	@echo 'make bench-cluster benchmark of one sync that several daemons do'
	@echo 'make format       let ruff format everything'
	@echo 'make news         what the next release will say'
	@echo 'make clean        remove what make made'

run: .venv/run
	$(PY) examples/newest.py downloads
	$(PY) examples/daemon.py downloads

serve: .venv/run
	$(PY) examples/daemon.py downloads --stay

test: lint types docs .venv/servers
	rm -f .coverage .coverage.*
	@# Hundreds of processes import it, and where PYTHONDONTWRITEBYTECODE is set none keeps what it has compiled.
	$(PY) -m compileall -q -j 0 twisted_pulp
	$(PYTEST) --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder --reruns=2 -raR --cov --cov-report=
	@$(PY) -m coverage report --include='twisted_pulp/http/*,twisted_pulp/transfer/*' --fail-under=100 \
		> .core-coverage 2>&1 || { cat .core-coverage; exit 1; }

lint: .venv/test
	$(PY) -m ruff check
	$(PY) -m ruff format --check

types: .venv/test
	$(PY) -m mypy $(TYPED)

docs: .venv/test
	$(PY) -m sphinx -nW --keep-going -q -b html docs docs/_build

unit: .venv/test
	$(PYTEST) --ignore=tests/integration --ignore=tests/test_examples.py

integration: .venv/test .venv/servers
	$(PYTEST) tests/integration tests/test_examples.py

bench: .venv/bench
	$(PY) -m benchmarks

bench-sync: .venv/bench
	$(PY) -m benchmarks.sync

bench-cluster: .venv/bench
	$(PY) -m benchmarks.cluster

bench-serving: .venv/bench
	$(PY) -m benchmarks.serving

format: .venv/test
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

news: .venv/test
	$(PY) -m towncrier build --draft --version next

clean:
	rm -rf .venv build dist twisted_pulp.egg-info docs/_build downloads .coverage .coverage.* \
	    .hypothesis .mypy_cache .pytest_cache .ruff_cache

# The first Python that is new enough and can make environments; a name alone proves nothing (pyenv, Debian).
$(PY):
	@for python in python3.13 python3.12 python3.11 python3 python3.14; do \
	    if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	        echo "making .venv with $$($$python --version)"; \
	        rm -rf .venv && exec $$python -m venv .venv; \
	    fi; \
	done; \
	echo 'No Python 3.11 or newer with venv was found.' >&2; \
	echo 'Debian: apt-get install python3-venv; macOS: brew install python' >&2; \
	exit 1

# pip builds inside build/, where a module that was since removed would live on.
.venv/run: $(SOURCES) | $(PY)
	rm -rf build
	$(PIP) '.[demo]'
	@touch $@

.venv/test: $(SOURCES) tests/constraints.txt | $(PY)
	rm -rf build
	$(PIP) --constraint tests/constraints.txt '.[demo,test]'
	@touch $@

.venv/bench: $(SOURCES) tests/constraints.txt | $(PY)
	rm -rf build
	$(PIP) --constraint tests/constraints.txt '.[bench]'
	@touch $@

.venv/servers: tests/servers.txt tests/install_servers | $(PY)
	@if tests/install_servers; then touch $@; fi
