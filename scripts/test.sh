#!/usr/bin/env bash
# Everything that must hold, as people and machines run it: lint, generated files,
# all tests with the race detector on both stores, and the clients that others wrote.
# It goes on after a failure, so that one run tells everything, and stops what it started.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

need_go
failed=()
step() {
  say "$1"
  shift
  "$@" || failed+=("$*")
}

step "lint" scripts/lint.sh
step "generated files are fresh" scripts/generate.sh --check
step "tests" scripts/postgres.sh scripts/rabbitmq.sh go test -race -timeout 12m ./...
if [ -d test/clients ]; then
  step "clients that others wrote" scripts/clients.sh
fi

step "the Salesforce side: types and rules" scripts/apex.sh

if [ ${#failed[@]} -gt 0 ]; then
  say "failed"
  printf '%s\n' "${failed[@]}"
  exit 1
fi
say "all passed"
