# "make help" lists what there is. Everything runs with Go alone, but for
# "conformance" (Python as well), the race detector in "test" (a C compiler) and
# the containers (Docker).

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory --warn-undefined-variables
.DEFAULT_GOAL := help

# Further arguments: make demo ARGS="--dev-conversations 50"
ARGS ?=
# What "make test" tests: make test PKG=./workflows/... RUN=TestReplay
PKG ?= ./...
RUN ?=
# Those that take longest, first, so that the others are tested beside them.
SLOW_PACKAGES := ./internal/endtoend ./starter/command
# How long the tests of one package may take.
TEST_TIMEOUT ?= 45m
# How long "make fuzz" runs each target, and which share of the targets: 0/8 is the first
# of eight.
FUZZTIME ?= 3s
FUZZSHARE ?= 0/1
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# Every Go module of this repository, the product's own ("." here) first.
MODULES := $(patsubst ./%,%,$(patsubst %/go.mod,%,$(shell find . \( -name '.?*' -o -name testdata -o -name node_modules -o -path ./bin \) -prune -o -name go.mod -print | sort)))
# Those with tests of their own, beside the product's.
OTHER_MODULES := $(filter-out . linters deploy/release,$(MODULES))

TOOLS         := $(CURDIR)/bin/tools
ANALYZE       := $(TOOLS)/analyze
VULNCHECK     := $(TOOLS)/vulncheck
WORKFLOWCHECK := $(TOOLS)/workflowcheck
LINTERS_BUILT := $(TOOLS)/.built
RELEASE_BUILT := $(TOOLS)/.release
# goreleaser reads commit and tag only if there is a remote.
A_REMOTE      := $(if $(shell git remote 2>/dev/null),,GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=remote.origin.url GIT_CONFIG_VALUE_0=https://github.com/parley-run/parley)
GORELEASER    := PATH="$(TOOLS):$$PATH" $(A_REMOTE) $(TOOLS)/goreleaser

##@ Use

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: ## Temporal, practice personas and a worker on this machine (ARGS="--exit" stops when done)
	@# The same as "go run ./worker --dev", but that compiles in silence, the first
	@# time for minutes.
	@echo "Preparing; the first time compiles for minutes" >&2
	@go run ./internal/localstack/prepare ./worker bin/worker
	@exec bin/worker --dev $(ARGS)

.PHONY: build
build: ## Build bin/worker, bin/starter and bin/simulator
	go build -ldflags "-s -w -X github.com/parley-run/parley/internal/version.linked=$(VERSION)" -o bin/ ./worker ./starter ./simulator

##@ Check

# "make vet" is all that "go test" vets, and more: not twice, with the race detector.
.PHONY: test
test: need-cgo devserver ## Every test, with the race detector and a real Temporal server (PKG=, RUN= choose)
	@status=0; run() { echo "$$*"; "$$@" || status=1; }; \
	run go test -race -vet=off -timeout $(TEST_TIMEOUT) $(if $(RUN),-run '$(value RUN)') $(ARGS) $(if $(filter ./...,$(PKG)),$(SLOW_PACKAGES)) $(PKG); \
	if [ '$(PKG)' = ./... ]; then \
		for m in $(OTHER_MODULES); do run go test -C $$m -timeout $(TEST_TIMEOUT) $(if $(RUN),-run '$(value RUN)') $(ARGS) ./...; done; \
	fi; \
	exit $$status

.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME (3s) each, after the seeds (PKG= chooses); "make test" runs the seeds
	@FUZZTIME=$(FUZZTIME) FUZZSHARE=$(FUZZSHARE) .ci/fuzz $(PKG)

.PHONY: devserver
devserver: ## Build the Temporal server that tests and demo run, once, into your cache
	@go run ./internal/localstack/prepare

.PHONY: lint
lint: fmt-check tidy-check vet analyze workflowcheck vulncheck ## Every linter, over every module

.PHONY: fmt
fmt: ## Format all Go files
	gofmt -w .

.PHONY: fmt-check
fmt-check: ## Fail if a Go file is not formatted
	@echo "gofmt"; unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then \
		printf 'not formatted (make fmt does it):\n%s\n' "$$unformatted" >&2; exit 1; \
	fi

.PHONY: tidy
tidy: ## Tidy every module
	@set -e; for m in $(MODULES); do echo "go mod tidy ($$m)"; (cd $$m && go mod tidy); done

.PHONY: tidy-check
tidy-check: ## Fail if a go.mod or go.sum is not tidy
	@set -e; for m in $(MODULES); do \
		echo "go mod tidy -diff ($$m)"; \
		(cd $$m && go mod tidy -diff) || { echo "$$m/go.mod is not tidy (make tidy does it)" >&2; exit 1; }; \
	done

.PHONY: vet
vet: ## go vet
	@set -e; for m in $(filter-out linters,$(MODULES)); do echo "go vet ($$m)"; (cd $$m && go vet ./...); done
	@echo "go vet (conformance)"; go vet -tags conformance ./conformance/... ./examples ./internal/endtoend
	@echo "go vet (soak)"; go vet -tags soak ./internal/soak
	@echo "go vet (containers)"; go vet -C deploy/composetest -tags containers ./containers

.PHONY: analyze
analyze: $(LINTERS_BUILT) ## staticcheck, errcheck, depguard (the layers) and nilness (linters/analyze)
	@set -e; for m in $(MODULES); do echo "analyze ($$m)"; (cd $$m && $(ANALYZE) -root $(CURDIR) ./...); done

.PHONY: workflowcheck
workflowcheck: $(LINTERS_BUILT) ## Find nondeterminism in workflow code
	@echo "workflowcheck (.)"; $(WORKFLOWCHECK) -config workflowcheck.config.yaml ./...

.PHONY: vulncheck
vulncheck: $(LINTERS_BUILT) ## Known vulnerabilities in dependencies; needs a network, says so without one
	@echo "vulncheck (.)"; $(VULNCHECK) ./...

.PHONY: conformance
conformance: ## Clients and servers of other projects against ours: OneRun's SDK, RunAgent, the A2A SDKs, LiteLLM, iii's SDKs, the MCP reference servers, the examples' frameworks (needs Python 3.10 with venv, Node 20 and npm)
	@command -v python3 >/dev/null || { \
		echo "make conformance needs Python 3.10 or newer with venv; on Debian: apt-get install python3 python3-venv" >&2; exit 1; }
	@command -v npm >/dev/null || { \
		echo "make conformance needs Node 20 or newer with npm; on Debian: apt-get install nodejs npm" >&2; exit 1; }
	@python3 conformance/onerun_python/run.py $(ARGS)
	@python3 conformance/runagent_local/run.py $(ARGS)
	@python3 conformance/a2a_sdk/run.py $(ARGS)
	@python3 conformance/litellm/run.py $(ARGS)
	@go test -tags conformance -count=1 -timeout 15m ./conformance/iii_node ./conformance/mcp_servers ./examples
	@go test -tags conformance -count=1 -timeout 10m -run 'TestIIINode|TestIIISDKs' ./internal/endtoend

.PHONY: chaos
chaos: devserver ## Kill, freeze and cut off everything by a seeded plan, and check what is left (ARGS="--minutes 3 --seed 7")
	@mkdir -p bin
	@go build -o bin/chaos ./chaos
	@exec bin/chaos $(ARGS)

.PHONY: chaos-mutants
chaos-mutants: devserver ## Run workers with each deliberate fault: the checker of "chaos" must find it
	@mkdir -p bin
	@go build -o bin/chaos ./chaos
	@exec bin/chaos mutants $(ARGS)

.PHONY: soak
soak: devserver ## Measure what lasts long: 10,000 turns, 10,000 idle conversations, replays (ARGS="-turns 1000 -idle 2000")
	go test -tags soak -v -count=1 -timeout 3h ./internal/soak -args $(ARGS)

.PHONY: bench
bench: devserver ## Measure conversations beside a bare workflow and OneRun's Python worker (ARGS="--quick"; ARGS="--help" lists all)
	@mkdir -p bin
	@go build -o bin/bench ./bench
	@exec bin/bench $(ARGS)

.PHONY: compose-test
compose-test: ## Run docker-compose.yml: kill the worker while conversations run, see all end; without a container engine it starts Debian's (docker.io, debootstrap; root)
	go test -C deploy/composetest -tags containers -count=1 -v -timeout 60m ./containers $(ARGS)

.PHONY: ci
ci: ## What CI runs: all of the above and the demo
	@.ci/run

##@ Other

.PHONY: manual
manual: ## Man pages and shell completion into bin/manual
	@rm -rf bin/manual
	@mkdir -p bin/manual/programs
	@# As releases are built, which shares what is compiled.
	@CGO_ENABLED=0 go build -trimpath -tags timetzdata -o bin/manual/programs ./worker ./starter ./simulator
	@for p in worker starter simulator; do bin/manual/programs/$$p manual bin/manual; done
	@gzip -9nk bin/manual/man/*.1

.PHONY: release-check
release-check: $(RELEASE_BUILT) ## Check the release's settings, and make one for this machine into bin/dist
	@$(GORELEASER) check
	@sed 's/goos: \[.*\]/goos: [$(shell go env GOOS)]/; s/goarch: \[.*\]/goarch: [$(shell go env GOARCH)]/' .goreleaser.yaml >bin/goreleaser.yaml
	@$(GORELEASER) release --snapshot --clean --config bin/goreleaser.yaml
	@deploy/release/check

.PHONY: release-snapshot
release-snapshot: $(RELEASE_BUILT) ## Make a release for every platform into bin/dist, without publishing it
	@$(GORELEASER) release --snapshot --clean
	@deploy/release/check

.PHONY: image
image: ## Build the container image parley:dev
	docker build --build-arg VERSION=$(VERSION) -t parley:dev .

.PHONY: clean
clean: ## Remove what was built here (the caches outside of this folder stay)
	rm -rf bin

.PHONY: need-cgo
need-cgo:
	@cc=$$(go env CC); \
	if [ "$$(go env CGO_ENABLED)" != 1 ] || ! command -v "$${cc%% *}" >/dev/null; then \
		echo "the race detector needs a C compiler and CGO_ENABLED=1; on Debian: apt-get install gcc libc6-dev" >&2; exit 1; \
	fi

$(RELEASE_BUILT): deploy/release/go.mod deploy/release/go.sum $(shell command -v go)
	@echo "building what makes releases (deploy/release/go.mod)"
	@cd deploy/release && GOBIN=$(TOOLS) go install -trimpath -buildvcs=false tool
	@touch $@

# Built anew when their versions or settings change, and whenever Go does.
$(LINTERS_BUILT): linters/go.mod linters/go.sum $(wildcard linters/*/*) $(shell command -v go)
	@echo "building the linters (linters/go.mod)"
	@# Without this folder's path in it the program is the same everywhere, and what analyze
	@# knows of our dependencies (~/.cache/staticcheck, by program) is used by every checkout.
	@cd linters && GOBIN=$(TOOLS) go install -trimpath -buildvcs=false tool
	@touch $@
