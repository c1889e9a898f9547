# shellcheck shell=bash
# Shared by the scripts: paths, and the toolchain and Envoy that scripts/setup chose.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TOOLS=$ROOT/.tools
TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}

say() { printf '==> %s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Make exports its variables even if they are empty, hence the colons.
ENVOY_VERSION=${ENVOY_VERSION:-1.40.0}
ENVOY_FETCHED=$TOOLS/envoy-$ENVOY_VERSION/envoy
ENVOY=${ENVOY:-$ENVOY_FETCHED}
export ENVOY ENVOY_VERSION

# Puts the toolchain that scripts/setup chose and recorded in .tools/env on PATH.
use_toolchain() {
    WASM_WITH=target
    # shellcheck source=/dev/null
    . "$TOOLS/env" || die "run \`make setup\` first"
}

# The SDK's exports that the filter doesn't use: it is not a TCP filter, uses neither gRPC nor shared queues, reads no response
# bodies, and learns of a stream's end from proxy_on_done. Envoy checks which callbacks a module exports: it doesn't call the
# others, and the code that only they reach is not part of the module.
UNUSED_EXPORTS=(
    proxy_on_new_connection proxy_on_downstream_data proxy_on_downstream_connection_close
    proxy_on_upstream_data proxy_on_upstream_connection_close
    proxy_on_grpc_receive_initial_metadata proxy_on_grpc_receive proxy_on_grpc_receive_trailing_metadata proxy_on_grpc_close
    proxy_on_queue_ready proxy_on_foreign_function proxy_on_vm_start
    proxy_on_response_body proxy_on_response_trailers proxy_on_log
)

# Makes later cargo calls build WebAssembly with that toolchain. Native builds then need a separate process.
wasm_environment() {
    local flags=()
    if [ "$WASM_WITH" = std-source ]; then
        # Debian ships the standard library for WebAssembly only as source: build it too, with Debian's libc and linker.
        export RUSTC_BOOTSTRAP=1                                 # -Zbuild-std is not stable yet
        export CARGO_UNSTABLE_BUILD_STD=std,panic_abort
        flags+=(-Lnative=/usr/lib/wasm32-wasi -Clink-self-contained=no)
        # A separate target folder: build scripts depend on RUSTC_BOOTSTRAP, so sharing one would rebuild half of it each time.
        TARGET_DIR=$TARGET_DIR/wasm
        export CARGO_TARGET_DIR=$TARGET_DIR
    fi
    # V8 has had SIMD since 2021; the processor needs SSE4.1 or NEON for it. It also makes the module smaller.
    [ "${SIMD:-yes}" = no ] || flags+=(-Ctarget-feature=+simd128)
    export CARGO_TARGET_WASM32_WASIP1_LINKER=$ROOT/scripts/wasm-ld
    flags+=("-Clink-arg=--leave-out=${UNUSED_EXPORTS[*]}")
    # References are encoded as short as possible, not padded for a later linker.
    flags+=(-Clink-arg=--compress-relocations)
    # Keeps the machine's paths out of the module, so that the same source gives the same bytes in any folder.
    flags+=("--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" "--remap-path-prefix=$ROOT=/conversion-relay")
    CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && printf '%s' "${flags[*]}")
    export CARGO_ENCODED_RUSTFLAGS
}

# Prints a command, ready to paste, that sends a purchase with the order id $2 to the gateway at $1.
purchase_command() {
    cat <<END
curl -i http://$1/v1/t \\
  -H 'Content-Type: application/json' -H 'User-Agent: Mozilla/5.0 (a browser)' \\
  -d '{"type": "track", "event": "Order Completed", "anonymousId": "anon_abc123def456",
       "properties": {"order_id": "$2", "revenue": 129.99, "currency": "USD", "email": "jane.doe@example.com"},
       "context": {"page": {"url": "https://shop.example.com/thanks"},
                   "consent": {"advertising": true, "marketing": true}}}'
END
}
