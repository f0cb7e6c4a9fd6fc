#!/usr/bin/env bash
# Format, vet, staticcheck and the rules of the house. Prints what is wrong and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

need_go
tools
bad=0

say format
unformatted=$(find . -name '*.go' -not -path '*/testdata/*' -not -path '*/node_modules/*' -not -path './.run/*' -not -name '*.pb.go' -print0 | xargs -0 gofumpt -l)
if [ -n "$unformatted" ]; then
  printf 'not formatted (run make fmt):\n%s\n' "$unformatted"
  bad=1
fi

# Every module of the project, tools apart: those hold no code.
for module in . test/clients bench; do
  [ -e "$module/go.mod" ] || continue
  say "vet and staticcheck in $module"
  (cd "$module" && go vet ./... && staticcheck ./...) || bad=1
done

# Imports, globals, sleeps, skips, lengths and package comments are tests, so
# that they hold for whoever runs only those.
say "house rules"
go test ./internal/archtest || bad=1
exit $bad
