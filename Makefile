# Commands of the book. Needs Python 3.11 or newer and make; sets up .venv itself.
PYTHON ?= python3
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
RUN := $(BIN)/python
# Flags of the site's build; the checks pass "-n -W --keep-going".
STRICT ?=
# Chapters executed at once; 1 measures the seconds of each alone.
JOBS ?= 2
WORKERS ?= 2

.PHONY: book test pages lab serve notebooks clean lock help
help:
	@echo "make book | test | pages | lab | serve | notebooks | clean | lock"

# The stamp is written last, so an interrupted set-up is taken up again.
.venv/complete: requirements.lock pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" \
		|| { echo "Python 3.11 or newer is needed (PYTHON=... names another)"; exit 1; }
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null \
		|| { echo "This Python lacks venv or ensurepip (Debian: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

book: .venv/complete
	$(RUN) book/_tools/execute.py --jobs $(JOBS)
	$(BIN)/jb build . $(STRICT)
	$(RUN) book/_tools/notebooks.py _build/html/_static/notebooks
	$(RUN) book/_tools/bundle.py _build/html/_static
	@echo "Open _build/html/index.html in a browser; nothing needs to be served."

test: .venv/complete
	$(RUN) -m pytest -n $(WORKERS) --ignore tests/pages

pages: book
	$(RUN) -m pytest -n $(WORKERS) tests/pages

notebooks: .venv/complete
	$(RUN) book/_tools/execute.py --jobs $(JOBS)
	$(RUN) book/_tools/notebooks.py _build/notebooks

lab: notebooks
	$(BIN)/jupyter lab _build/notebooks

serve: book
	$(RUN) -m http.server --bind 127.0.0.1 --directory _build/html 8000

clean:
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache

# One version of everything, for every Python and system, with hashes.
lock: .venv/complete
	$(BIN)/uv pip compile pyproject.toml --extra book --extra test \
		--universal --python-version 3.11 --fork-strategy fewest \
		--generate-hashes --no-header --no-emit-index-url \
		--upgrade --quiet -o requirements.lock
