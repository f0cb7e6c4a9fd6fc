#!/usr/bin/env bash
# Benchmarks of callouts: limit program and product in turn, about 4 minutes. Flags go to bench/cmd/callouts, for
# example: scripts/bench-callouts.sh -rounds 3 -only accept
set -euo pipefail
cd "$(dirname "$0")/../bench"
mkdir -p results
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/" ./cmd/...
(cd .. && go build -o "$bin/sallyport" ./cmd/sallyport)
"$bin/callouts" -bin "$bin" -out "results/$(date -u +%Y-%m-%dT%H%M)-callouts.jsonl" "$@"
