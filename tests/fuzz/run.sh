#!/bin/sh
# Builds the fuzz targets and runs all of them, on what they found before and on the samples that are kept with them.
# A finding is an input that lets a parser panic, hang, or break its promise: it ends the run with an error, and stays.
#
# usage: run.sh [TARGET...]      FUZZ_SECONDS: for all of them together; 0 only tries the samples
set -eu
cd "$(dirname "$0")"
export LC_ALL=C

../setup/install.sh c++:g++
# A directory of its own: other flags, and nothing of the program itself.
target=${CARGO_TARGET_DIR:-../../target}/fuzz
RUSTC_WRAPPER=$PWD/instrument.sh ${CARGO:-cargo} build --release --locked --target-dir "$target"

if [ $# = 0 ]; then
    for source in fuzz_targets/*.rs; do
        set -- "$@" "$(basename "$source" .rs)"
    done
fi
seconds=${FUZZ_SECONDS:-60}
corpora=${DRAY_FUZZ_CORPUS:-$target/corpus}
failed=''
for name in "$@"; do
    mkdir -p "$corpora/$name" "artifacts/$name"
    if [ "$seconds" = 0 ]; then budget='-runs=0'; else budget="-max_total_time=$(((seconds + $# - 1) / $#))"; fi
    echo "==> $name"
    log=$corpora/$name.log
    # The samples are read and not added to: what is found goes into the first directory.
    "$target/release/$name" "$budget" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="$PWD/artifacts/$name/" "$corpora/$name" "seeds/$name" >"$log" 2>&1 || failed="$failed $name"
    grep -E '^INFO: Loaded|INITED|DONE|number_of_executed_units|panicked|ERROR|Test unit written|^SUMMARY' "$log" || true
done
if [ -n "$failed" ]; then
    for name in $failed; do
        echo "==> $name failed: its input is in tests/fuzz/artifacts/$name; the end of $corpora/$name.log:" >&2
        tail -n 30 "$corpora/$name.log" >&2
    done
    exit 1
fi
