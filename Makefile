# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

export PYTHON
# The development environment in the cache; only .complete says that it is whole.
environment := $(shell tools/environment.sh path)
ready := $(environment)/.complete
export PATH := $(environment)/bin:$(PATH)
# ansible-playbook ignores the ansible.cfg of a folder that anybody may write to, unless it is named.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

# Everything here works on the local cluster, or on the one of LLMOPS_TEST_KUBECONFIG. Ansible's modules for Kubernetes
# let these variables win over any kubeconfig: they would lead to the user's own cluster.
unexport $(filter K8S_AUTH_%,$(.VARIABLES))

# Where inventories/local puts it; tests on another cluster name theirs.
export LLMOPS_TEST_KUBECONFIG ?= /var/lib/llmops-cluster/llmops/etc/admin.kubeconfig

side_by_side := python3 tools/side_by_side.py
checks := ruff yamllint ansible-lint types layers unit sanity package docs licence

.PHONY: help
help: ## What can be made (this list)
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## The commands that most people need

.PHONY: demo test check down proof
demo: $(ready) apt-binding ## A local cluster with a model that answers, from nothing; a second run changes nothing
	@$(side_by_side) cluster engine-files engine:cluster,engine-files deploy:engine chat:deploy

test: $(ready) apt-binding ## Every test: the checks while the cluster starts, then the tests on the cluster
	@$(side_by_side) --jobs 3 check importer:check? cluster engine-files engine:cluster,engine-files \
		tools:cluster? e2e:engine,check?,tools? molecule:engine,e2e?

check: $(ready) ## Every check that needs no cluster
	@$(side_by_side) --quiet --logs build/logs/check $(checks)

down: $(ready) ## Remove the local cluster without a trace; the cache stays
	@ansible-playbook -i inventories/local playbooks/local_cluster.yml -e local_cluster_state=absent

proof: $(ready) apt-binding ## The long measurements: load, faults, comparison with other tools
	@$(side_by_side) cluster engine-files engine:cluster,engine-files benchmarks:engine

.PHONY: apt-binding
apt-binding: $(ready)
	@tools/apt_binding.sh

## Parts of `make check`, and the importer of `make test`

.PHONY: environment ruff yamllint ansible-lint types layers unit sanity package importer docs licence
environment: ## The development environment (made when needed)
	@tools/environment.sh make

$(ready):
	@$(side_by_side) --quiet environment

ruff: $(ready) ## Python: findings, format, complexity
	ruff check .
	ruff format --check .

yamllint: $(ready) ## YAML
	yamllint --strict .

ansible-lint: $(ready) ## Roles and playbooks, profile production
	ansible-lint --offline

types: $(ready) ## mypy, strict, on everything that carries types
	@tools/types.sh

layers: $(ready) ## Imports go one way
	@PYTHONPATH=collections lint-imports

unit: $(ready) ## Unit tests, with the coverage that is asked for
	pytest tests/unit --numprocesses auto --cov --cov-report term --cov-report json:build/coverage.json
	coverage report --include 'plugins/module_utils/_domain/*' --fail-under 100

sanity: $(ready) ## ansible-test sanity, with empty ignore files
	@tools/sanity.sh

package: $(ready) ## Build the collection, install the artifact, look at it from there
	@tools/package.sh

importer: $(ready) ## Import the artifact as Galaxy and the hubs do
	@tools/importer.sh

docs: $(ready) ## Documentation of the collection and its changelog
	antsibull-changelog lint
	antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self .

licence: $(ready) ## Copyright and licence of every file
	reuse lint --quiet || reuse lint

## Parts of `make demo` and `make test`

.PHONY: cluster engine-files engine deploy chat tools e2e molecule benchmarks
cluster: $(ready) ## The local one-node cluster
	@ansible-playbook -i inventories/local playbooks/local_cluster.yml

engine-files: $(ready) ## The engine and the tiny model, on disk: needs no cluster yet
	@ansible-playbook -i inventories/local playbooks/local_engine.yml --tags local_engine_files

engine: $(ready) ## Offer the engine's files to pods of the cluster; both must be there
	@ansible-playbook -i inventories/local playbooks/local_engine.yml --tags local_engine_objects

deploy: $(ready) ## Deploy the model servers of inventories/local
	@ansible-playbook -i inventories/local deploy.yml

chat: $(ready) ## Ask the deployed model something through its Service
	@ansible-playbook -i inventories/local playbooks/demo.yml

tools: $(ready) ## Programs, schemas and the chart that only the tests need
	@ansible-playbook -i inventories/local tests/tools.yml

e2e: $(ready) ## Tests on the local cluster (which must be up), and of the tools that they use
	@# Where CI is set, pytest ends with every word of every failure; the names, which come last, are lost among them.
	@env -u CI -u BUILD_NUMBER COLUMNS=160 pytest --verbose --durations 10 tests/faults tests/e2e

molecule: $(ready) ## The roles on the local cluster: check, converge, converge again, verify
	@molecule test --all

benchmarks: $(ready)
	@benchmarks/run
