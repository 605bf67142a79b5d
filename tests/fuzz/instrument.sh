#!/bin/sh
# In front of the compiler: counts the edges that a run takes, as libFuzzer wants it, in what is fuzzed. That is the
# targets, the sources of the library, and the parsers of others that foreign bytes reach through it. The flags are
# those of `cargo fuzz`, all of which the stable compiler has.
#
# usage: RUSTC_WRAPPER=instrument.sh cargo build
set -eu
case " $* " in
*" --crate-name build_script_"*) exec "$@" ;;
*" --crate-type bin "* | *" --crate-name dray_"* | \
*" --crate-name jiff "* | *" --crate-name serde_json "* | *" --crate-name toml_parser "* | *" --crate-name wasmparser "*)
    exec "$@" --cfg fuzzing -C codegen-units=1 \
        -C passes=sancov-module \
        -C llvm-args=-sanitizer-coverage-level=4 \
        -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
        -C llvm-args=-sanitizer-coverage-pc-table \
        -C llvm-args=-sanitizer-coverage-trace-compares
    ;;
*) exec "$@" ;;
esac
