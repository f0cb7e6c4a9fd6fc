#!/usr/bin/env bash
# Benchmarks of bench/: limit programs and product in turn. "quick" takes about 3 minutes, "full" about 15.
# "catchup" reads a million events that wait and delivers 200,000, in about 4 minutes (-events 100000 for less).
# "deploy" replaces gateways under 2,000 events a second, in about a minute.
# "orgsim" measures the org simulator alone, in about 2 minutes: serving events, a million rows, bulk jobs.
# Writes bench/results/<date>-<size>.jsonl; "full" also rewrites the tables of bench/README.md.
# Everything after the size goes to bench/cmd/conduct, for example: scripts/bench.sh quick -only durable -profiles /tmp
set -euo pipefail
cd "$(dirname "$0")/../bench"

size=${1:-full}
shift || true
case $size in quick | full | catchup | deploy | orgsim) ;; *) echo "usage: scripts/bench.sh [quick|full|catchup|deploy|orgsim] [flags]" >&2; exit 2 ;; esac

mkdir -p results
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/" ./cmd/...

if [ "$size" = orgsim ]; then
  out=results/$(date -u +%Y-%m-%dT%H%M)-orgsim
  "$bin/orgserve" -out "$out.jsonl" "$@"
  { # a million records made in portions, pages of a query over 200,000, a bulk query over a million
    cd .. && go test ./internal/orgsim/record -run '^$' -bench Fill -benchtime 50x &&
      go test ./internal/orgsim/record -run '^$' -bench Pages -benchtime 3x &&
      go test ./internal/orgsim/bulkapi -run '^$' -bench . -benchtime 1x -timeout 20m
  } | tee "$out.txt"
  exit
fi

if [ "$size" = deploy ]; then
  (cd .. && go build -o "$bin/sallyport" ./cmd/sallyport)
  "$bin/deploy" -bin "$bin" -out "results/$(date -u +%Y-%m-%dT%H%M)-deploy.jsonl" "$@"
  exit
fi

npm=()
if command -v npm >/dev/null; then
  (cd peer/npm && npm ci --no-audit --no-fund --silent)
  npm=(-npm peer/npm)
else
  echo "npm is missing: the Node.js client is left out" >&2
fi
postgres=()
if ! command -v initdb >/dev/null || ! command -v pg_ctl >/dev/null; then
  echo "initdb or pg_ctl is missing: PostgreSQL is left out" >&2
  postgres=(-postgres=false)
fi

out=results/$(date -u +%Y-%m-%dT%H%M)-$size.jsonl
"$bin/conduct" -size "$size" -bin "$bin" -out "$out" "${npm[@]}" "${postgres[@]}" "$@"
if [ "$size" = full ] && [ $# = 0 ]; then
  "$bin/report" -readme README.md "$out"
fi
"$bin/report" "$out"
