# Everything here runs on a fresh machine with Python 3.11 or newer: what is missing is installed into .venv from the
# lock files in requirements/. `make` alone lists the targets.
PYTHON ?= python3
BIN := .venv/bin
# The pip of a new environment is that of its Python; it warns of newer ones, which are none of our business.
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install demo up down test test-long test-faults test-scale test-install fuzz test-compose lint audit protos protos-check docs lock rivals

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: .venv/installed ## install everything into .venv, with what tests and checks need

demo: .venv/runs ## train and try a classifier on real photos, through the real services
	$(BIN)/lastlayer demo

up: .venv/runs ## run both services in the background (state: ~/.lastlayer)
	$(BIN)/lastlayer up

down: .venv/runs ## stop them
	$(BIN)/lastlayer down

# Threads of BLAS would fight for the processors. Without bytecode each of a hundred processes would compile all anew.
# The longest tests come first, so that no process is left alone with them at the end.
PYTEST := PYTHONDONTWRITEBYTECODE= OPENBLAS_NUM_THREADS=1 $(BIN)/pytest --numprocesses 3 --dist loadscope --no-loadscope-reorder
TESTS := tests/e2e tests/attacks tests/integration tests/unit

test: install .venv-protos/installed .venv-triton/installed ## run the tests that need no container engine, but for the long ones
	$(PYTEST) -m 'not long' $(TESTS)

test-long: install .venv-protos/installed .venv-triton/installed ## run the long ones: faults, slow attacks, programs of other projects
	$(PYTEST) -m long $(TESTS)

test-faults: install ## kill, starve and overload the services for ten minutes (SOAK_SECONDS=600: for longer)
	$(BIN)/pytest tests/faults

test-scale: .venv-scale/installed ## featurize in bulk: killed ten times, from an object store that refuses, over Ray with a node lost
	.venv-scale/bin/pytest tests/scale

test-install: install ## install the wheel into fresh environments, with all extras and with none, and use it
	$(BIN)/pytest tests/install

fuzz: install ## decode broken and hostile images for ten minutes, each within limits (FUZZ_SECONDS=60: for less)
	$(BIN)/python -m tests.fuzz

test-compose: install ## build the images and run the whole story in containers
	$(BIN)/pytest -s tests/compose

lint: install protos-check ## check style, types, who imports whom, and the contract
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tools.docs check

audit: .venv-audit/installed ## look for known vulnerabilities in what the lock files name
	.venv-audit/bin/python tools/audit.py requirements/*.txt

protos: .venv-protos/installed ## check the contract, then generate its stubs
	$(check_contract)
	$(call generate,protos)

protos-check: .venv-protos/installed
	$(check_contract)
	rm -rf .venv-protos/fresh && cp -R protos .venv-protos/fresh && rm -f .venv-protos/fresh/lastlayer/*/*_pb2*
	$(call generate,.venv-protos/fresh)
	@diff -rq -x __pycache__ .venv-protos/fresh protos || { echo 'What is generated is stale: run `make protos`.' >&2; exit 1; }
	# This environment has protobuf 6, the tests' has 7: the stubs load with both.
	PYTHONPATH=protos .venv-protos/bin/python -c "import lastlayer.v1.featurizer_pb2_grpc, lastlayer.v1.classifier_pb2_grpc, \
	  lastlayer.open_inference.service_pb2_grpc"

# The baseline is the contract as it was last generated: what is in it stays, and what is new is added to it.
define check_contract
.venv-protos/bin/buf lint protos
.venv-protos/bin/buf breaking protos --exclude-imports --against protos/baseline.binpb
endef

define generate
.venv-protos/bin/python -m grpc_tools.protoc -Iprotos -I.venv-protos/googleapis \
  --plugin=.venv-protos/bin/protoc-gen-mypy_grpc \
  --python_out=$(1) --pyi_out=$(1) --grpc_python_out=$(1) --mypy_grpc_out=$(1) protos/lastlayer/*/*.proto
# The names of the Open Inference Protocol are not ours alone: lastlayer/open_inference/__init__.py has the reason.
sed -i.default 's/_descriptor_pool\.Default()/_descriptor_pool.DescriptorPool()/' $(1)/lastlayer/open_inference/service_pb2.py
rm $(1)/lastlayer/open_inference/service_pb2.py.default
.venv-protos/bin/buf build protos --exclude-source-info --output $(1)/baseline.binpb
endef

docs: .venv/docs .venv-protos/installed ## write the generated parts of pages, and build all pages as a site, site/index.html
	$(BIN)/python -m tools.docs write
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

rivals: .venv-mlserver/installed .venv-bentoml/installed ## install what benchmarks.services.featurize --rivals measures

lock: ## resolve the lock files anew (needs uv)
	uv pip compile -q --universal --generate-hashes --no-header requirements/protos.in -o requirements/protos.txt
	uv pip compile -q --universal --generate-hashes --no-header requirements/audit.in -o requirements/audit.txt
	uv pip compile -q --universal --generate-hashes --no-header requirements/triton.in -o requirements/triton.txt
	uv pip compile -q --universal --generate-hashes --no-header pyproject.toml --extra dev -o requirements/dev.txt
	uv pip compile -q --universal --generate-hashes --no-header requirements/docs.in -c requirements/dev.txt -o requirements/docs.txt
	uv pip compile -q --universal --generate-hashes --no-header requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	uv pip compile -q --universal --generate-hashes --no-header pyproject.toml requirements/build.in -c requirements/dev.txt \
	  --extra all -o requirements/all.txt
	uv pip compile -q --universal --generate-hashes --no-header pyproject.toml requirements/scale.in \
	  --extra ray -o requirements/scale.txt
	for rival in mlserver bentoml; do \
	  uv pip compile -q --universal --generate-hashes --no-header benchmarks/rivals/$$rival/requirements.in \
	    -o benchmarks/rivals/$$rival/requirements.txt; \
	done
	for extra in featurizer featurizer-gpu featurizer-openvino "classifier --extra map --extra postgres"; do \
	  uv pip compile -q --universal --generate-hashes --no-header pyproject.toml -c requirements/dev.txt \
	    --extra $$extra -o requirements/$${extra%% *}.txt; \
	done
	uv pip compile -q --universal --generate-hashes --no-header pyproject.toml requirements/featurizer-ray.in \
	  --extra ray -o requirements/featurizer-ray.txt
	uv pip compile -q --universal --generate-hashes --no-header pyproject.toml -c requirements/dev.txt --extra report --extra export \
	  -o requirements/client.txt
	uv pip compile -q --universal --generate-hashes --no-header pyproject.toml -c requirements/dev.txt --extra studio \
	  -o requirements/studio.txt

# What runs. `tensorflow`, of which older environments have the files, would share them with `tensorflow-cpu`.
.venv/runs: requirements/all.txt pyproject.toml tools/slim.py
	$(PYTHON) -m venv .venv
	if [ "$$(uname -sm)" = "Linux x86_64" ]; then $(BIN)/pip uninstall -qq --yes tensorflow; fi
	$(BIN)/pip install --quiet --require-hashes -r requirements/all.txt
	$(BIN)/python tools/slim.py
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# And what tests and checks it.
.venv/installed: .venv/runs requirements/dev.txt
	$(BIN)/pip install --quiet --require-hashes -r requirements/dev.txt
	touch $@

# And what builds the site.
.venv/docs: .venv/installed requirements/docs.txt
	$(BIN)/pip install --quiet --require-hashes -r requirements/docs.txt
	touch $@

.venv-scale/installed: requirements/scale.txt pyproject.toml
	$(PYTHON) -m venv .venv-scale
	.venv-scale/bin/pip install --quiet --require-hashes -r requirements/scale.txt
	.venv-scale/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.venv-audit/installed: requirements/audit.txt
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet --require-hashes -r requirements/audit.txt
	touch $@

.venv-protos/installed: requirements/protos.txt
	$(PYTHON) -m venv .venv-protos
	.venv-protos/bin/pip install --quiet --require-hashes -r requirements/protos.txt
	mkdir -p .venv-protos/googleapis/google
	ln -sfn "$$(.venv-protos/bin/python -c 'import google.rpc.status_pb2 as s; print(s.__file__.rpartition("/")[0])')" \
	  .venv-protos/googleapis/google/rpc
	touch $@

# What calls the services by other people's protocol: with its protobuf 6 it cannot be where the tests are.
.venv-triton/installed: requirements/triton.txt
	$(PYTHON) -m venv .venv-triton
	.venv-triton/bin/pip install --quiet --require-hashes -r requirements/triton.txt
	touch $@

.venv-mlserver/installed .venv-bentoml/installed: .venv-%/installed: benchmarks/rivals/%/requirements.txt
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install --quiet --require-hashes -r $<
	touch $@
