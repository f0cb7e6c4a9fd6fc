#!/usr/bin/env bash
# Runs every fuzz target of the project, one after another, for the given time each.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

need_go
time=${1:-30s}
grep -rnoE --include='*_test.go' '^func (Fuzz[A-Za-z0-9_]+)\(' internal | sed -E 's|/[^/:]+:[0-9]+:func |:|; s|\($||' | sort -u |
  while IFS=: read -r folder target; do
    say "$target in $folder"
    go test "./$folder" -run '^$' -fuzz "^$target\$" -fuzztime "$time" </dev/null
  done
