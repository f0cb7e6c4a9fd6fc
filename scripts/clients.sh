#!/usr/bin/env bash
# Runs the clients that others wrote against the simulated org and the gateway, and the
# consumers that applications are shown against a broker. Installs Node.js
# (as root, where apt is) and the npm packages of the lock file if they are missing.
# Arguments are handed to "go test" (such as: -run TestJSForce -v).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

need_node
cd test/clients
install_packages node
install_packages ../../examples/native/node
install_packages sf # half a gigabyte: the Salesforce CLI and the Node.js 22 that it needs

exec ../../scripts/rabbitmq.sh go test -timeout 10m "$@" ./...
