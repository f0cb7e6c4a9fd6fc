#!/usr/bin/env bash
# Checks the Salesforce side: names and types by apex-ls, rules by PMD. Installs Node.js
# and Java (as root, where apt is) and the npm packages of the lock file if they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

need_node
need java openjdk-17-jre-headless
install_packages test/apex
cd test/apex
exec node check.mjs
