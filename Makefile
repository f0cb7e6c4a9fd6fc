# Run "make help" for what there is. The work is done by scripts/, which install
# what is missing and can be run by themselves.
SHELL := /bin/bash
.DEFAULT_GOAL := help

.PHONY: help
help: ## show this list
	@sed -nE 's|^([a-z0-9/]+):.*## (.*)|\1@\2|p' $(MAKEFILE_LIST) | awk -F@ '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: demo
demo: build ## see it work: simulated org, gateway, application, three kills, the ledger (under two minutes)
	bin/sallyport demo $(ARGS)

.PHONY: test
test: ## everything that must hold: lint, generated files, all tests with race detector, other people's clients
	scripts/test.sh

.PHONY: test/race
test/race: ## the Go tests with the race detector, on both stores and a broker (PKG=./internal/store/... for a part)
	scripts/postgres.sh scripts/rabbitmq.sh go test -race -timeout 12m $(or $(PKG),./...)

.PHONY: test/e2e
test/e2e: ## the built binary from outside, with kills, on both stores
	scripts/postgres.sh scripts/rabbitmq.sh go test -race -count=1 -v ./test/e2e/...

.PHONY: test/clients
test/clients: ## clients that others wrote, against the simulated org and the gateway
	scripts/clients.sh

.PHONY: test/apex
test/apex: ## the Salesforce side in apex/: names, types and rules, and that the checks find seeded faults
	scripts/apex.sh

.PHONY: bench
bench: ## limits of this machine and the product in turn, with raw numbers
	scripts/bench.sh

.PHONY: fuzz
fuzz: ## every fuzz target for a while (FUZZTIME=30s)
	scripts/fuzz.sh $(or $(FUZZTIME),30s)

.PHONY: lint
lint: ## format, vet, staticcheck, house rules
	scripts/lint.sh

.PHONY: fmt
fmt: ## format the Go code
	@. scripts/lib.sh && tools && gofumpt -w $$(git ls-files -co --exclude-standard '*.go' | grep -vE 'testdata/|\.pb\.go$$')

.PHONY: generate
generate: ## rewrite what is generated: protobuf code, configuration reference, JSON Schema
	scripts/generate.sh

.PHONY: build
build: ## bin/sallyport
	@. scripts/lib.sh && need_go
	go build -trimpath -o bin/sallyport ./cmd/sallyport
