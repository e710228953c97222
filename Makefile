# The two commands of the house: `make demo` and `make test`. Everything they need they install into .venv. `make soak` is for
# the long runs, `make docs` writes the generated pages anew.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test soak env lint docs clean

demo: env
	$(BIN)/tideover demo

test: env
	bash scripts/check.sh

soak: env
	bash scripts/soak.sh

docs: env
	$(BIN)/python scripts/docs.py

lint: env
	bash scripts/check.sh lint

env: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml scripts/env.sh
	bash scripts/env.sh $(PYTHON)

clean:
	rm -rf .venv .cache var build dist
