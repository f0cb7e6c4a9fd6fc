#!/usr/bin/env bash
# A private PostgreSQL for tests: a cluster of its own on a free port of the
# loopback, with fsync on, in a folder that is thrown away. The system's own
# clusters are neither used nor touched.
#
#   postgres.sh COMMAND ...      run COMMAND with SALLYPORT_TEST_POSTGRES set to its URL, then stop it
#   postgres.sh start [FOLDER]   start one that stays, print its URL
#   postgres.sh url   [FOLDER]   print the URL of the one that runs there
#   postgres.sh stop  [FOLDER]   stop it and remove FOLDER
#
# FOLDER is .run/postgres unless given. When SALLYPORT_TEST_POSTGRES is set
# already, COMMAND runs with that server. When PostgreSQL is missing, root gets
# it installed from Debian, unless POSTGRES_INSTALL=never; others are told what
# to install.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)

# bin prints the folder of the newest server's programs.
bin() { find /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin -maxdepth 1 -name initdb 2>/dev/null | sort -V | tail -1 | xargs -r dirname; }

# ensure installs the server when it is missing.
ensure() {
  [ -n "$(bin)" ] && return
  if [ "$(id -u)" = 0 ] && [ "${POSTGRES_INSTALL:-}" != never ] && command -v apt-get >/dev/null; then
    echo "installing postgresql" >&2
    # The package would start a cluster of its own on port 5432.
    mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/sallyport.conf
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql; } >/dev/null
  fi
  if [ -z "$(bin)" ]; then
    echo "PostgreSQL's server is missing; install it first: sudo apt-get install postgresql" >&2
    exit 1
  fi
}

# server runs a program of the server's, which refuses to run as root.
server() {
  local program=$1
  shift
  if [ "$(id -u)" = 0 ]; then
    (cd / && setpriv --reuid=postgres --regid=postgres --clear-groups "$(bin)/$program" "$@")
  else
    (cd / && "$(bin)/$program" "$@")
  fi
}

# free_port prints a port that nobody listens on, below those that the system
# gives to clients.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

# start FOLDER starts a server with its files in FOLDER and prints its URL.
start() {
  local folder=$1 port
  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  if [ -e "$folder/url" ] && server pg_ctl -D "$folder/data" status >/dev/null 2>&1; then
    cat "$folder/url"
    return
  fi
  ensure
  rm -rf "$folder/data" "$folder/url"
  if [ "$(id -u)" = 0 ]; then
    chown postgres "$folder"
  fi
  server initdb -D "$folder/data" -U sallyport -A trust -E UTF8 --locale=C >/dev/null
  for attempt in 1 2 3 4 5; do
    port=$(free_port)
    if server pg_ctl -D "$folder/data" -l "$folder/log" -w -t 60 \
      -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=on -c max_connections=200 -c shared_buffers=128MB -c max_wal_size=1GB" \
      start >/dev/null; then
      echo "postgres://sallyport@127.0.0.1:$port/postgres?sslmode=disable" | tee "$folder/url"
      return
    fi
    [ "$attempt" = 5 ] && tail -5 "$folder/log" >&2
  done
  exit 1
}

# stop FOLDER stops the server and removes its files.
stop() {
  if [ -d "$1/data" ]; then
    server pg_ctl -D "$(cd "$1" && pwd)/data" -m immediate -w stop >/dev/null 2>&1 || true
  fi
  rm -rf "$1"
}

case "${1:-help}" in
  start) start "${2:-$root/.run/postgres}" ;;
  stop) stop "${2:-$root/.run/postgres}" ;;
  url) cat "${2:-$root/.run/postgres}/url" ;;
  help | -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' ;;
  *)
    if [ -n "${SALLYPORT_TEST_POSTGRES:-}" ]; then
      exec "$@"
    fi
    # A folder that the server's own user can reach, whatever the rights of this one.
    folder=$(mktemp -d "${TMPDIR:-/tmp}/sallyport-postgres.XXXXXX")
    chmod 755 "$folder"
    trap 'stop "$folder"' EXIT
    trap 'exit 130' INT TERM
    SALLYPORT_TEST_POSTGRES=$(start "$folder")
    export SALLYPORT_TEST_POSTGRES
    "$@"
    ;;
esac
