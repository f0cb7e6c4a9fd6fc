#!/usr/bin/env bash
# Regenerates everything that is generated and committed: Go code from
# pubsub.proto, the configuration reference and its JSON Schema.
# With --check it changes nothing and fails if something committed is stale.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

need_go
need protoc protobuf-compiler
tools

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
pb=internal/salesforce/pubsub/pubsubpb
mkdir -p "$out/$pb" "$out/docs"

protoc -I "$pb" --go_out="$out/$pb" --go_opt=paths=source_relative \
  --go-grpc_out="$out/$pb" --go-grpc_opt=paths=source_relative pubsub.proto
go build -o "$out/sallyport" ./cmd/sallyport
"$out/sallyport" config docs >"$out/docs/config.md"
"$out/sallyport" config schema >"$out/docs/sallyport.schema.json"
rm "$out/sallyport"

# The version of protoc differs from machine to machine and changes a comment only.
same() { cmp -s <(grep -v '^// .*protoc ' "$1") <(grep -v '^// .*protoc ' "$2"); }

stale=0
while read -r file; do
  same "$out/$file" "$file" && continue
  if [ "${1:-}" = --check ]; then
    echo "$file is stale; run make generate" >&2
    stale=1
  else
    cp "$out/$file" "$file"
    echo "wrote $file"
  fi
done < <(cd "$out" && find . -type f | sed 's|^\./||' | sort)
exit $stale
