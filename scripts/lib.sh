# Shared by the scripts of this folder; source it from the project's root.
# shellcheck shell=bash

say() { printf '\n== %s\n' "$*"; }

# need COMMAND PACKAGE: installs a Debian package when root, or says what to install.
need() {
  command -v "$1" >/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing $2" >&2
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$2" >/dev/null
  fi
  if ! command -v "$1" >/dev/null; then
    echo "$1 is missing; install it first: sudo apt-get install $2" >&2
    exit 1
  fi
}

# need_go: Go is not installed for you, because which one is yours to choose. Go
# 1.21 and later fetches the version that go.mod asks for by itself.
need_go() {
  if ! command -v go >/dev/null; then
    echo "Go is missing; install $(sed -n 's/^go //p' go.mod) or later first: https://go.dev/doc/install" >&2
    exit 1
  fi
}

# tools: builds the pinned tools of tools/go.mod into a folder named after their
# versions, once, and puts it first in PATH.
tools() {
  local stamp bin
  stamp=$(cat tools/go.mod tools/go.sum <(go env GOVERSION) | cksum | cut -d' ' -f1)
  bin=$PWD/.run/tools/$stamp
  if [ ! -e "$bin/.complete" ]; then
    mkdir -p "$bin"
    (cd tools && go build -o "$bin/" tool)
    touch "$bin/.complete"
  fi
  PATH=$bin:$PATH
}

# need_node: Node.js 20 or later with npm; root gets Debian's.
need_node() {
  have_node() {
    command -v npm >/dev/null && [ "$(node -p 'process.versions.node.split(".")[0] >= 20' 2>/dev/null)" = true ]
  }
  have_node && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nodejs npm >/dev/null
  fi
  if ! have_node; then
    echo "Node.js 20 or later with npm is missing; install it first: https://nodejs.org" >&2
    exit 1
  fi
}

# install_packages FOLDER: the npm packages of the folder's lock file, once. The
# stamp is written last: an interrupted install is done again.
install_packages() {
  local stamp=$1/node_modules/.installed-lock
  if ! cmp -s "$1/package-lock.json" "$stamp"; then
    rm -f "$stamp"
    (cd "$1" && npm ci --no-progress --loglevel=error)
    cp "$1/package-lock.json" "$stamp"
  fi
}
