PYTHON ?= python3
.PHONY: install demo test lint docs

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: install
	.venv/bin/synthscope demo -o runs/demo

test: install
	.venv/bin/python -m pytest -n 2 --dist loadfile

lint: install
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

docs: install
	.venv/bin/python -m mkdocs build --strict
	.venv/bin/python .ci/hosts.py site
