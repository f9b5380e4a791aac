# Teal: everything here is one command, asks nothing, and may be run again.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

GO               ?= go
GOLANGCI_VERSION := v2.15.0
GOLANGCI         := bin/tools/golangci-lint-$(GOLANGCI_VERSION)
SOPS_VERSION     := v3.13.3
SOPS             := bin/tools/sops-$(SOPS_VERSION)
VERSION          := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# Parameters, for example: make sim SEEDS=100000
DEMO_PORT ?= 8000# port of the demo's proxy on 127.0.0.1
DEMO_FOLDER ?= .cache/demo# where the demo keeps what it writes
SEEDS     ?= 100000# simulated worlds of make sim (make test runs 8000)
FROM      ?= 1# first seed of make sim
TIMEOUT   ?= 25m# limit of one package's tests
PKG       ?= ./...# packages of test-go and race
FUZZTIME  ?= 1m# time of each target of make fuzz
BENCH     ?= # what make bench measures, see cmd/bench -h; empty: all of it
CRASH     ?= # flags of make crash, for example -crash.resume
BENCH_DEPLOY ?= # flags of make bench-deploy, for example -full
TIME      ?= 10m# how long make soak runs
SEED      ?= 0# seed of make soak; 0: a new one
APPS      ?= 14# apps of make soak
SOAK      ?= # further flags of make soak, for example -keep-going, see cmd/soak -h

export DEMO_PORT DEMO_FOLDER

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo; echo "parameters (make TARGET NAME=value):"
	@sed -nE 's/^([A-Z_]+) +\?= *([^#]*)# *(.*)/  \1|\2|\3/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-14s %-11s %s\n", $$1, $$2, $$3}'

.PHONY: build
build: check-go ## bin/teal, one static binary
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.release=$(VERSION)' -o bin/teal ./cmd/teal

.PHONY: demo
demo: engine build ## from nothing to zero-downtime updates under load, in a minute
	@$(GO) run ./cmd/demo

.PHONY: demo-clean
demo-clean: check-go ## remove all that the demo made
	@$(GO) run ./cmd/demo -clean

.PHONY: test
test: check-go tools engine ## all checks: vet, lint, unit, search, simulation, real engine
	$(GO) vet ./...
	@$(MAKE) lint
	@$(MAKE) test-go

.PHONY: test-go
test-go: check-go ## the tests alone; they need a Docker Engine
	$(GO) test -timeout $(TIMEOUT) $(PKG)

.PHONY: lint
lint: check-go $(GOLANGCI) ## golangci-lint, and a planted fault for each of its rules
	$(GOLANGCI) run ./...
	.ci/lint-walls $(GOLANGCI)

# Built once, about 80 s on two cores with 0.9 GB of memory.
$(GOLANGCI):
	@mkdir -p bin/tools
	GOBIN=$(CURDIR)/bin/tools $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv bin/tools/golangci-lint $@

.PHONY: fmt
fmt: check-go $(GOLANGCI) ## format the code (gofumpt, goimports)
	$(GOLANGCI) fmt ./...

.PHONY: race
race: check-go tools engine ## the tests with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -timeout $(TIMEOUT) $(PKG)

.PHONY: sim
sim: check-go ## the search with its full budget, and the simulation with SEEDS worlds, from seed FROM on
	$(GO) test -count=1 -timeout 60m -run TestSearch -v ./reconcile -search.full
	$(GO) test -count=1 -timeout 60m -run TestSimulation -v ./controller/sim -sim.seeds=$(SEEDS) -sim.from=$(FROM)

.PHONY: fuzz
fuzz: check-go ## every fuzz target, each for FUZZTIME; what fails is kept in testdata/fuzz
	@.ci/fuzz $(FUZZTIME)

.PHONY: vuln
vuln: check-go ## govulncheck; Error 3 where its database cannot be reached, 2 when something was found
	@.ci/vuln

.PHONY: crash
crash: check-go tools engine ## kill the controller at every effect of every scenario, on a real engine; writes docs/crash-matrix.md
	$(GO) test -count=1 -timeout 6h -v -run TestCrashMatrix ./cmd/teal/crash -crash.full $(CRASH)

.PHONY: mutants
mutants: check-go ## break Teal on purpose, one rule at a time, and see a test notice each
	$(GO) test -count=1 -timeout 60m -v ./controller/mutants -mutants.all

.PHONY: e2e
e2e: check-go tools engine ## the tests of the whole on a real engine
	$(GO) test -count=1 -timeout $(TIMEOUT) -v ./cmd/teal/...

.PHONY: faults
faults: check-go tools engine ## every call to the engine with every fault, every fault of a registry (as root)
	$(GO) test -count=1 -timeout 120m -v ./cmd/teal/faults -faults.full

.PHONY: machine
machine: check-go tools engine ## the machine's faults, all of them: reboots, full disk, no memory, damaged records (as root)
	$(GO) test -count=1 -timeout 40m -v ./cmd/teal/machine -machine.full

.PHONY: test-sops
test-sops: check-go $(SOPS) ## files that SOPS encrypted, with the program itself; builds that first
	SOPS=$(CURDIR)/$(SOPS) $(GO) test -count=1 -tags sops -v ./controller/secret

# Built once, about 150 s of one core and 250 MB of modules: too dear for make test.
$(SOPS):
	@mkdir -p bin/tools
	GOBIN=$(CURDIR)/bin/tools CGO_ENABLED=0 $(GO) install github.com/getsops/sops/v3/cmd/sops@$(SOPS_VERSION)
	@mv bin/tools/sops $@

.PHONY: bench
bench: tools engine build ## measure what README promises; prints a Markdown table
	@$(GO) run ./cmd/bench $(BENCH)

.PHONY: bench-deploy
bench-deploy: tools engine build ## the same deployments with a deploy.sh and with Teal, side by side (ten minutes, as root)
	@$(GO) run ./cmd/benchdeploy $(BENCH_DEPLOY)

.PHONY: soak
soak: tools engine build ## edits, kills and faults at random for TIME, checked from outside (as root)
	@$(GO) run ./cmd/soak -time $(TIME) -seed $(SEED) -apps $(APPS) $(SOAK)

.PHONY: engine
engine: ## ensure a Docker Engine: use the one that runs, or install and start one
	@.ci/engine

.PHONY: tools
tools: ## ensure the programs that the tests need
	@.ci/tools

.PHONY: clean
clean: ## remove what was built, and the demo
	@[ ! -d $(DEMO_FOLDER) ] || $(MAKE) demo-clean
	rm -rf bin .cache coverage.out

.PHONY: check-go
check-go:
	@command -v $(GO) >/dev/null || { echo "Teal needs Go 1.26 or newer, and there is no '$(GO)' in PATH: https://go.dev/dl" >&2; exit 1; }
	@v=$$($(GO) env GOVERSION); if [ "$$(printf '%s\n' go1.26 "$$v" | sort -V | head -n 1)" != go1.26 ]; then \
		echo "Teal needs Go 1.26 or newer, here is $$v: https://go.dev/dl" >&2; exit 1; fi
