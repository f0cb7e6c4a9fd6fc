#!/usr/bin/env bash
# Regenerates everything that is generated and committed: Go code from pubsub.proto, the configuration reference and schema.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v protoc >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq protobuf-compiler >/dev/null
  else
    echo "protoc is missing; install it first: sudo apt-get install protobuf-compiler" >&2
    exit 1
  fi
fi

bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
(cd tools && go build -o "$bin/" google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc)

PATH="$bin:$PATH" protoc -I internal/salesforce/pubsub/pubsubpb \
  --go_out=internal/salesforce/pubsub/pubsubpb --go_opt=paths=source_relative \
  --go-grpc_out=internal/salesforce/pubsub/pubsubpb --go-grpc_opt=paths=source_relative \
  pubsub.proto
