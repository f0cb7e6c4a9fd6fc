#!/usr/bin/env bash
# Runs the clients that others wrote against the simulated org. Installs Node.js
# (as root, where apt is) and the npm packages of the lock file if they are missing.
# Arguments are handed to "go test" (such as: -run TestJSForce -v).
set -euo pipefail
cd "$(dirname "$0")/../test/clients"

have_node() {
  command -v npm >/dev/null && [ "$(node -p 'process.versions.node.split(".")[0] >= 20' 2>/dev/null)" = true ]
}

if ! have_node; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nodejs npm >/dev/null
  fi
  if ! have_node; then
    echo "Node.js 20 or later with npm is missing; install it first: https://nodejs.org" >&2
    exit 1
  fi
fi

# The stamp is written last: an interrupted install is done again.
install_packages() {
  local stamp=$1/node_modules/.installed-lock
  if ! cmp -s "$1/package-lock.json" "$stamp"; then
    rm -f "$stamp"
    (cd "$1" && npm ci --no-progress --loglevel=error)
    cp "$1/package-lock.json" "$stamp"
  fi
}
install_packages node
install_packages sf # half a gigabyte: the Salesforce CLI and the Node.js 22 that it needs

exec go test -timeout 10m "$@" ./...
