#!/usr/bin/env bash
# Measures Roster on PostgreSQL beside pgbench and beside Fastify + pg, on this machine, by hand:
#   bench/postgres.sh [USERS] [ROUNDS]
# USERS (100000) are there when gets and lists are measured. Needs PostgreSQL 15 or newer, Node.js and npm. The cluster is
# a new one in target/bench-data, with PostgreSQL's own settings, fsync included.
set -euo pipefail
cd "$(dirname "$0")/.."
users=${1:-100000} rounds=${2:-3}
cargo build --quiet --profile dist -p roster -p roster-bench
(cd bench/peers/fastify-pg && npm install --no-audit --no-fund --silent)
programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
export PATH="$programs:$PATH"
folder=$PWD/target/bench-data/pg-$$
mkdir -p "$folder"
as=()
if [ "$(id -u)" = 0 ]; then as=(setpriv --reuid=postgres --regid=postgres --clear-groups); chown postgres "$folder"; chmod a+rx "$folder"; fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
stop() {
    kill $(jobs -p) 2>/dev/null || true
    (cd / && "${as[@]}" pg_ctl stop --silent --mode immediate -D "$folder/data") || true
    rm -rf "$folder"
}
trap stop EXIT
(cd / && "${as[@]}" initdb --auth=trust --username=roster -D "$folder/data" >/dev/null &&
    "${as[@]}" pg_ctl start --silent --wait --log "$folder/log" --options "-p $port -c listen_addresses=127.0.0.1 -k '$folder' -c max_connections=200 -c max_wal_size=4GB" -D "$folder/data" >/dev/null 2>&1 </dev/null)
server="postgres://roster@127.0.0.1:$port"
psql --quiet "$server/postgres" --command 'create database roster'
export ROSTER_DATABASE="$server/roster?sslmode=disable"
bench=target/dist/roster-bench roster=target/dist/roster
org=$($bench seed "$users" --into "$ROSTER_DATABASE")
psql --quiet "$server/roster" --command "vacuum analyze"
key=$($roster key create --org "$org" --role ADMIN --name bench 2>/dev/null | awk '{print $NF}')

serve() { # starts a Roster; its address and pid in $address and $pid
    local log
    log=$(mktemp -p "$folder")
    $roster serve --listen 127.0.0.1:0 --rate-limit 4294967295 --sms-keep 87600h --log-format text 2>"$log" &
    pid=$!
    until grep -q 'http://' "$log"; do sleep 0.05; done
    address=$(grep -o '127.0.0.1:[0-9]*' "$log" | head -1)
}
serve; first=$address first_pid=$pid
serve; second=$address second_pid=$pid
peer_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
PORT=$peer_port ROSTER_DATABASE="$server/roster" NODE_ENV=production node bench/peers/fastify-pg/app.js &
peer_pid=$!
until curl -s "http://127.0.0.1:$peer_port/" >/dev/null; do sleep 0.1; done

load() { # WHAT ADDRESS PID [OPTIONS]
    local what=$1 at=$2 process=$3
    shift 3
    $bench "$what" --at "$at" --pid "$process" --key "$key" --users "$users" --seconds 3 "$@" 2>/dev/null | grep -o '[0-9]* \[.*'
}
for round in $(seq "$rounds"); do
    echo "round $round"
    echo "  creates, Roster          $(load create "$first" "$first_pid")"
    both=$(load create "$first" "$first_pid" --connections 32 & load create "$second" "$second_pid" --connections 32; wait)
    echo "  creates, two processes   $(echo "$both" | awk '{sum += $1} END {print sum}') a second"
    echo "  creates, Fastify + pg    $(load create "127.0.0.1:$peer_port" "$peer_pid")"
    tps=$(pgbench --no-vacuum -c 4 -j 1 -T 4 -f bench/pgbench-64.sql "$server/roster" 2>/dev/null | awk '/^tps/ {print $3}')
    echo "  creates, pgbench 64      $(awk -v tps="$tps" 'BEGIN {printf "%d", tps * 64}') a second"
    echo "  gets, Roster             $(load get "$first" "$first_pid")"
    echo "  gets, Fastify + pg       $(load get "127.0.0.1:$peer_port" "$peer_pid")"
    echo "  lists, Roster            $(load list "$first" "$first_pid")"
    echo "  lists, Fastify + pg      $(load list "127.0.0.1:$peer_port" "$peer_pid")"
    echo "  patches, Roster          $(load patch "$first" "$first_pid")"
    echo "  patches, Fastify + pg    $(load patch "127.0.0.1:$peer_port" "$peer_pid")"
    echo "  one connection: patches  $(load patch "$first" "$first_pid" --connections 1), Fastify + pg $(load patch "127.0.0.1:$peer_port" "$peer_pid" --connections 1)"
done
