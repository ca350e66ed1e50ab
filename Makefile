# Two commands set everything up: `make demo` shows the main job, `make test` passes the tests.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
SOURCES = contract engine device_agent tests benchmarks docs
export ORT_DISABLE_TELEMETRY = 1

.PHONY: help demo test check unit journeys faults faults-full bench lock spec clean deb runtime system

help:
	@echo "make demo      the whole story on this machine: twelve devices, a good release, a bad one"
	@echo "make test      everything CI runs: map, types, style, workflows, tests"
	@echo "make unit      the quick tests only"
	@echo "make faults    break a device in every way this machine allows, within ten minutes; faults-full: at every point"
	@echo "make deb       the agent's Debian package, in build/deb"
	@echo "make runtime   the same agent as an archive to release to devices that have the package"
	@echo "make system    the package on four devices that boot here (root, systemd-nspawn)"
	@echo "make bench     print the figures that the documents quote"

demo: $(STAMP)
	$(BIN)/ringtide demo

test: check unit journeys faults

check: $(STAMP)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --quiet --persona=auditor .github fleet-repo-template
	$(BIN)/actionlint .github/workflows/*.yml fleet-repo-template/.github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml fleet-repo-template/.github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml fleet-repo-template/.github/actions/*/action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml fleet-repo-template/.github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.renovate fleet-repo-template/renovate.json

unit: $(STAMP)
	$(BIN)/pytest -n 2 -m "not journey"

journeys: $(STAMP)
	$(BIN)/pytest -m journey

faults: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m faults

faults-full: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m faults --full

bench: $(STAMP)
	PYTHONPATH=.:tests $(BIN)/python -m benchmarks

deb: $(STAMP)
	$(BIN)/python packaging/build_deb.py

runtime: $(STAMP)
	$(BIN)/python packaging/build_deb.py --runtime

# Needs root, systemd-nspawn and the package registry, and says so where it skips; five minutes, twenty at most.
system: $(STAMP)
	RINGTIDE_SYSTEM=1 $(BIN)/pytest -s -rs tests/faults/test_system.py tests/faults/test_new_reader.py tests/agent/cli/test_packaging.py
	RINGTIDE_SYSTEM=1 RINGTIDE_SYSTEM_DEVICES=1 $(BIN)/pytest -s -rs tests/faults/test_system_versions.py

spec: $(STAMP)
	$(BIN)/python docs/spec/make_kind_pages.py
	$(BIN)/python docs/spec/make_findings_page.py
	$(BIN)/python docs/spec/make_wire_pages.py

lock: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	  --python-version 3.11 --extra dev pyproject.toml -o requirements-dev.txt

$(STAMP): pyproject.toml requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q contract engine device_agent
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
