# Quorate: `make` alone explains itself.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# A bare shell does not know rustup's folder.
CARGO := $(shell command -v cargo || echo $(HOME)/.cargo/bin/cargo)

# A build server keeps its output beside the home, out of the checkout.
ifeq ($(CI),true)
CARGO_TARGET_DIR ?= $(HOME)/.cache/quorate-target
endif
CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR

QUORATE := $(CARGO_TARGET_DIR)/release/quorate
ONCE ?=
ARGS ?=

.PHONY: help setup demo test verify bench bench-router fix clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing: compiler, MariaDB 10.11 and mariabackup
	@scripts/setup.sh

demo: setup ## Lose a primary before your eyes: lab up, kill, report (ONCE=1: tear down at the end)
	@[ -x "$(QUORATE)" ] || echo "demo: first build of the release binary, about ten minutes on two cores; later runs take seconds"
	@$(CARGO) build --locked --release --package quorate
	@"$(QUORATE)" lab demo $(if $(ONCE),--once)

test: ## Install what is missing and run everything: the static checks, all tests, real servers included
	@scripts/setup.sh --dev
	@[ -d "$(CARGO_TARGET_DIR)/debug" ] || echo "test: first run, about twenty minutes on two cores, most of it building"
	@$(CARGO) xtask test

verify: ## The same checks without the set-up; changes nothing (ARGS="--skip-tests", "--only fmt", "--json")
	@$(CARGO) xtask verify $(ARGS)

bench: setup ## Measure write gaps and overheads on real servers; table, and JSON in target/bench (ARGS=...)
	@$(CARGO) build --locked --release --package quorate
	@$(CARGO) run --locked --release --package quorate-chaos --bin bench -- $(ARGS)
	@$(CARGO) bench --locked --package quorate-raft --bench failover -- --json "$(CARGO_TARGET_DIR)/bench/raft.json"

bench-router: ## Measure the router beside HAProxy and beside nothing; table, and JSON in target/bench (ARGS=...)
	@scripts/setup.sh --bench
	@$(CARGO) build --locked --release --package quorate
	@$(CARGO) run --locked --release --package quorate-chaos --bin bench-router -- $(ARGS)

fix: ## Mend what a machine can: formatting, simple lints, generated reference pages
	@$(CARGO) fmt --all
	@$(CARGO) clippy --workspace --all-targets --fix --allow-dirty --allow-staged
	@$(CARGO) fmt --all
	@$(CARGO) run --quiet --package quorate -- gen docs/reference

clean: ## Remove build output
	@$(CARGO) clean
