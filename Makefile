# `make` alone lists the targets. Everything Rust is built with the one release
# profile and for the whole workspace, so that the tests, the demo, the lints
# and the shipped binary share what they can: Typst alone is a quarter of an
# hour of processor time, and a narrower selection of crates or features would
# build it again.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

TARGET := $(or $(CARGO_TARGET_DIR),target)
# One that is built already may be given: CHARTKEY_BINARY=… make web-test
BINARY := $(or $(CHARTKEY_BINARY),$(TARGET)/release/chartkey)
PHASE := @scripts/phase

ifdef CI
export CARGO_TERM_COLOR := never
export CARGO_TERM_PROGRESS_WHEN := never
export NO_COLOR := 1
export npm_config_yes := true
LOCKED := --locked
else
LOCKED :=
endif

# The web app takes part once it has a build script of its own.
WEB := $(shell grep -qs '"build"' web/package.json && echo yes)

##@ Run

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: web rust ## Build target/release/chartkey, with the web app inside

.PHONY: demo
demo: build ## Build it, and run it with made-up people and records
	$(BINARY) demo

##@ Test

.PHONY: test
test: deps wasm-test web doc-test rust-test sealed-test web-test ## All tests, natively, as WebAssembly and in the browser

.PHONY: check
check: fresh-log deps fmt deny wasm-test web lint gen-check doc-test rust-test sealed-test fuzz-short web-test ## What CI runs: format, lints, licences, generated files, and all of `make test`, with ten seconds of fuzzing for each parser
	@echo; awk -F'\t' '{ printf "%-28s %3d min %2d s\n", $$1, $$2 / 60, $$2 % 60; all += $$2 } \
	  END { printf "%-28s %3d min %2d s\n", "all", all / 60, all % 60 }' $(TARGET)/phases.tsv

.PHONY: soak
soak: deps web ## The tests that take hours (those marked #[ignore])
	$(PHASE) "soak" scripts/with-postgres cargo nextest run $(LOCKED) --release --workspace --profile soak --run-ignored only

.PHONY: bench
bench: rust ## Measure (the [[bench]] targets)
	$(PHASE) "benches" scripts/with-postgres cargo bench $(LOCKED) --workspace --bench '*'

.PHONY: fuzz-short
fuzz-short: ## Ten seconds of fuzzing for each parser of bytes from outside
	$(PHASE) "fuzzing" scripts/fuzz-short

##@ Keep in order

.PHONY: gen
gen: rust ## Regenerate what is generated: openapi.json and the web app's client
	$(PHASE) "generate" scripts/gen $(BINARY)

.PHONY: format
format: ## Format everything
	cargo fmt --all
	cargo fmt --manifest-path scripts/wasm-bindings/Cargo.toml

.PHONY: clean
clean: ## Remove everything that was built
	rm -rf $(TARGET) web/dist web/node_modules web/src/vault-worker/pkg web/src/vault-worker/pkg-visit web/src/press/pkg

##@ The single steps

.PHONY: deps
deps: ## Install what the tests need and this machine lacks
	$(PHASE) "test tools" scripts/test-deps

.PHONY: fmt
fmt: ## Formatting, checked
	$(PHASE) "formatting" cargo fmt --all --check
	@cargo fmt --manifest-path scripts/wasm-bindings/Cargo.toml --check

.PHONY: lint
lint: ## Clippy over everything, tests and benches too: all refused, pedantic said
	$(PHASE) "clippy" cargo clippy $(LOCKED) --release --workspace --all-targets --features chartkey-wasm/vectors -- -D unused

.PHONY: deny
deny: ## Licences and sources of the dependencies, where cargo-deny is installed
	@if cargo deny --version >/dev/null 2>&1; then scripts/phase "cargo deny" scripts/deny; \
	else echo "cargo deny is not installed: licences and sources go unchecked here"; fi

.PHONY: wasm
wasm: ## The core as WebAssembly, for the browser and for node
	$(PHASE) "core to WebAssembly" scripts/build-wasm

.PHONY: wasm-test
wasm-test: wasm ## The frozen vectors in the WebAssembly core, under node
	$(PHASE) "vectors as WebAssembly" node scripts/check-wasm.cjs $(TARGET)/wasm-node

.PHONY: rust
rust: ## The server, with whatever web app is in web/dist
ifndef CHARTKEY_BINARY
	$(PHASE) "build" cargo build $(LOCKED) --release --workspace
endif

.PHONY: rust-test
rust-test: ## The Rust tests, beside a PostgreSQL of their own
	$(PHASE) "tests" scripts/with-postgres cargo nextest run $(LOCKED) --release --workspace

.PHONY: sealed-test
sealed-test: wasm rust ## The WebAssembly core against the built server, everything that crosses searched
	$(PHASE) "sealed journey" node scripts/check-sealed.cjs $(BINARY) $(TARGET)/wasm-node

# Before the other tests, because a crate without examples ends with "0 passed".
.PHONY: doc-test
doc-test: ## The examples in the documentation
	$(PHASE) "documentation examples" cargo test $(LOCKED) --quiet --release --workspace --doc

.PHONY: gen-check
gen-check: gen
	@git diff --exit-code --stat -- openapi.json web/src/api.gen || \
	  { echo "what is generated has changed: commit the result of 'make gen'" >&2; exit 1; }
	@if [[ -n $$(git ls-files --others --exclude-standard -- openapi.json web/src/api.gen) ]]; then \
	  echo "what is generated is not committed: openapi.json, web/src/api.gen" >&2; exit 1; fi

.PHONY: fresh-log
fresh-log:
	@rm -f $(TARGET)/phases.tsv

# The web app's own rules: made anew only when a source of it has changed.
.PHONY: web web-units web-test
ifeq ($(WEB),yes)
WEB_SOURCES := $(shell find web \( -name node_modules -o -name dist -o -name 'pkg*' -o -name test-results \) -prune -o -type f -print)

# The whole core, what a link's reader needs of it, and the press for PDFs.
CORES := $(patsubst %,web/src/vault-worker/%/chartkey_wasm_bg.wasm,pkg pkg-visit) web/src/press/pkg/chartkey_press_bg.wasm

web: wasm web/dist/index.html ## The web app into web/dist

web/node_modules/.package-lock.json: web/package-lock.json
	$(PHASE) "web packages" npm --prefix web ci --no-audit --no-fund --loglevel=error
	@touch $@

web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES) $(CORES)
	$(PHASE) "web app" npm --prefix web run --silent build
	@touch $@

# Written by the step before; only a changed core makes it newer.
$(CORES): wasm ;

web-units: web ## The web app's types, lints and units
	$(PHASE) "web types and lints" npm --prefix web run --silent check
	$(PHASE) "web units" npm --prefix web run --silent test

web-test: web-units rust ## The web app's tests: types, units, and journeys in a browser
	$(PHASE) "web journeys" env CHARTKEY_BINARY=$(abspath $(BINARY)) npm --prefix web run --silent test:journey
else
web:
web-units:
web-test:
endif
