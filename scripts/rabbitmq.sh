#!/usr/bin/env bash
# A private RabbitMQ for tests: a node of its own on free ports of the loopback,
# with its own Erlang cookie and port mapper, in a folder that is thrown away. The
# system's own node is neither used nor touched.
#
#   rabbitmq.sh COMMAND ...      run COMMAND with SALLYPORT_TEST_RABBITMQ set to its URL and
#                                SALLYPORT_TEST_RABBITMQ_API to that of its management API, then stop it
#   rabbitmq.sh start [FOLDER]   start one that stays (with its messages, if it ran there before), print its URL
#   rabbitmq.sh url   [FOLDER]   print the URL of the one that runs there
#   rabbitmq.sh api   [FOLDER]   print the URL of its management API
#   rabbitmq.sh halt  [FOLDER]   stop it in order and keep its messages for the next start
#   rabbitmq.sh kill  [FOLDER]   kill it without a word and keep what is on its disk for the next start
#   rabbitmq.sh ctl FOLDER ...   run rabbitmqctl on it
#   rabbitmq.sh stop  [FOLDER]   stop it and remove FOLDER
#   rabbitmq.sh cluster [FOLDER] start a cluster of three nodes in FOLDER/1, FOLDER/2 and FOLDER/3, print their
#                                URLs; url, api, halt, kill, start and ctl work on FOLDER/n, stop on FOLDER
#
# FOLDER is .run/rabbitmq unless given. When SALLYPORT_TEST_RABBITMQ is set
# already, COMMAND runs with that server. When RabbitMQ is missing, root gets it
# installed from Debian, unless RABBITMQ_INSTALL=never; others are told what to
# install.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)

# home prints the folder of the newest server: the programs below it take all
# their settings from the environment, unlike the wrappers in PATH.
home() { find /usr/lib/rabbitmq/lib /usr/local/lib/rabbitmq /opt -maxdepth 1 -name 'rabbitmq_server-*' 2>/dev/null | sort -V | tail -1; }

# ensure installs the server when it is missing.
ensure() {
  [ -n "$(home)" ] && return
  if [ "$(id -u)" = 0 ] && [ "${RABBITMQ_INSTALL:-}" != never ] && command -v apt-get >/dev/null; then
    echo "installing rabbitmq-server" >&2
    install_quietly
  fi
  if [ -z "$(home)" ]; then
    echo "RabbitMQ's server is missing; install it first: sudo apt-get install rabbitmq-server" >&2
    exit 1
  fi
}

# install_quietly keeps the package from starting a node of its own on port 5672.
install_quietly() {
  local policy=/usr/sbin/policy-rc.d ours=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    ours=yes
  fi
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends rabbitmq-server; } >/dev/null || true
  if [ -n "$ours" ]; then
    rm -f "$policy"
  fi
}

# as_server runs a command as the server's own user, where we are root.
as_server() {
  if [ "$(id -u)" = 0 ]; then
    (cd / && exec setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups "$@")
  else
    (cd / && exec "$@")
  fi
}

# with FOLDER COMMAND ... runs a command of the node in FOLDER.
with() {
  local folder=$1 amqp api dist epmd
  shift
  read -r amqp api dist epmd <"$folder/ports"
  as_server env -u NOTIFY_SOCKET -u RABBITMQ_CONF_ENV_FILE \
    HOME="$folder" ERL_EPMD_PORT="$epmd" ERL_EPMD_ADDRESS=127.0.0.1 \
    RABBITMQ_CONF_ENV_FILE="$folder/none" RABBITMQ_NODENAME="sallyport-$amqp@localhost" \
    RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$amqp" RABBITMQ_DIST_PORT="$dist" \
    RABBITMQ_CONFIG_FILE="$folder/node" RABBITMQ_ADVANCED_CONFIG_FILE="$folder/none" \
    RABBITMQ_ENABLED_PLUGINS_FILE="$folder/plugins" RABBITMQ_MNESIA_BASE="$folder/data" \
    RABBITMQ_LOG_BASE="$folder/log" RABBITMQ_PID_FILE="$folder/pid" RABBITMQ_GENERATED_CONFIG_DIR="$folder/generated" \
    SALLYPORT_AMQP="$amqp" SALLYPORT_API="$api" "$@"
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

# lay FOLDER [FIRST] writes the files of a new node; one with FIRST, the folder
# of a node that has its files already, joins that node's cluster.
lay() {
  local folder=$1 first=${2:-} amqp api epmd
  amqp=$(free_port) api=$(free_port) epmd=$(free_port)
  mkdir -p "$folder/data" "$folder/log" "$folder/generated"
  if [ -n "$first" ]; then
    read -r _ _ _ epmd <"$first/ports"
  fi
  echo "$amqp $api $(free_port) $epmd" >"$folder/ports"
  echo '[rabbitmq_management].' >"$folder/plugins"
  cat >"$folder/node.conf" <<EOF
listeners.tcp.1 = 127.0.0.1:$amqp
management.tcp.ip = 127.0.0.1
management.tcp.port = $api
collect_statistics_interval = 1000
log.file.level = warning
log.console = false
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 67108864
EOF
  if [ -n "$first" ]; then
    (umask 077 && cp "$first/.erlang.cookie" "$folder/.erlang.cookie")
    cat >>"$folder/node.conf" <<EOF
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = sallyport-$(cut -d' ' -f1 "$first/ports")@localhost
cluster_formation.classic_config.nodes.2 = sallyport-$amqp@localhost
EOF
  else
    (umask 077 && head -c 24 /dev/urandom | base64 | tr -d '/+=' >"$folder/.erlang.cookie")
  fi
  if [ "$(id -u)" = 0 ]; then
    chown -R rabbitmq:rabbitmq "$folder"
  fi
}

# running FOLDER says whether its node runs.
running() { [ -s "$1/pid" ] && kill -0 "$(cat "$1/pid")" 2>/dev/null; }

url() { local amqp rest && read -r amqp rest <"$1/ports" && echo "amqp://guest:guest@127.0.0.1:$amqp/"; }
api() { local amqp api rest && read -r amqp api rest <"$1/ports" && echo "http://guest:guest@127.0.0.1:$api"; }

# start FOLDER starts the node with its files in FOLDER and prints its URL.
start() {
  local folder=$1
  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  ensure
  if ! running "$folder"; then
    for attempt in 1 2 3 4 5; do
      [ -e "$folder/ports" ] || lay "$folder"
      rm -f "$folder/pid"
      launch "$folder" && break
      [ "$attempt" = 5 ] && tail -5 "$folder"/log/* "$folder/out" >&2 && exit 1
      # Somebody else may have taken one of the ports; messages of an earlier run stay.
      [ -n "$(ls -A "$folder/data")" ] || rm -f "$folder/ports"
    done
  fi
  url "$folder"
}

# launch FOLDER starts the server and waits until it answers.
launch() {
  local folder=$1 amqp api rest deadline=$((SECONDS + 90))
  read -r amqp api rest <"$folder/ports"
  : >"$folder/out"
  # A session of its own: the terminal's signals are for the tests.
  with "$folder" setsid "$(home)/sbin/rabbitmq-server" </dev/null >>"$folder/out" 2>&1 &
  local server=$!
  while [ $SECONDS -lt $deadline ]; do
    if curl -fs -o /dev/null "http://guest:guest@127.0.0.1:$api/api/overview"; then
      return 0
    fi
    if ! kill -0 $server 2>/dev/null; then
      return 1
    fi
    sleep 0.1
  done
  return 1
}

# end FOLDER SIGNAL ends the node and waits until it has gone.
end() {
  local pid
  if running "$1"; then
    pid=$(cat "$1/pid")
    kill "-$2" "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
  fi
  rm -f "$1/pid"
}

# nodes of the cluster in FOLDER.
nodes() { ls -d "$1"/[1-9] 2>/dev/null || true; }

# cluster FOLDER starts three nodes that know each other and prints their URLs.
cluster() {
  local folder=$1 n
  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  ensure
  if [ ! -e "$folder/1/ports" ]; then
    lay "$folder/1"
    lay "$folder/2" "$folder/1"
    lay "$folder/3" "$folder/1"
    # A member keeps its ports, and so its name, whatever happens to its first start.
    for n in 1 2 3; do touch "$folder/$n/data/.member"; done
  fi
  # The first forms the cluster, the others join it.
  start "$folder/1"
  local joining=()
  for n in 2 3; do
    start "$folder/$n" >/dev/null &
    joining+=($!)
  done
  for n in "${joining[@]}"; do wait "$n"; done
  url "$folder/2"
  url "$folder/3"
}

# stop FOLDER stops the node or the cluster and removes its files.
stop() {
  local node
  for node in $(nodes "$1"); do end "$node" KILL; done
  for node in $(nodes "$1"); do stop "$node"; done
  if [ -e "$1/ports" ]; then
    end "$1" KILL
    with "$1" epmd -relaxed_command_check -kill >/dev/null 2>&1 || true
  fi
  rm -rf "$1"
}

default=$root/.run/rabbitmq
case "${1:-help}" in
  start) start "${2:-$default}" ;;
  cluster) cluster "${2:-$default-cluster}" ;;
  stop) stop "${2:-$default}" ;;
  halt) end "${2:-$default}" TERM ;;
  kill) end "${2:-$default}" KILL ;;
  url) url "${2:-$default}" ;;
  api) api "${2:-$default}" ;;
  ctl)
    folder=$(cd "${2:?FOLDER}" && pwd)
    shift 2
    with "$folder" "$(home)/sbin/rabbitmqctl" "$@"
    ;;
  help | -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' ;;
  *)
    if [ -n "${SALLYPORT_TEST_RABBITMQ:-}" ]; then
      exec "$@"
    fi
    # A folder that the server's own user can reach, whatever the rights of this one.
    folder=$(mktemp -d "${TMPDIR:-/tmp}/sallyport-rabbitmq.XXXXXX")
    chmod 755 "$folder"
    trap 'stop "$folder"' EXIT
    trap 'exit 130' INT TERM
    SALLYPORT_TEST_RABBITMQ=$(start "$folder")
    SALLYPORT_TEST_RABBITMQ_API=$(api "$folder")
    export SALLYPORT_TEST_RABBITMQ SALLYPORT_TEST_RABBITMQ_API
    "$@"
    ;;
esac
