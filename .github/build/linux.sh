#!/bin/sh
# Builds the addon inside a container: manylinux2014, whose glibc is 2.17, or Alpine, whose C library is musl. Without Node,
# which is too new for the former.
set -eu

if command -v apk >/dev/null; then
  apk add --no-cache build-base cmake curl linux-headers perl
  # A library that Node loads shares Node's C library: Rust would link its own.
  libc="-C target-feature=-crt-static"
else
  libc=""
fi
curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal
. "$HOME/.cargo/env"

# The flags of scripts/lib/cargo.mjs, which says what for.
export RUSTFLAGS="$libc -Cllvm-args=-inline-threshold=25 --remap-path-prefix=$HOME/.cargo=cargo --remap-path-prefix=$PWD=trigger-native"
# As scripts/build.mjs does it, which says why.
cargo rustc --release --lib --crate-type cdylib --locked
cp target/release/libtrigger_native.so js/native/trigger-native.node
