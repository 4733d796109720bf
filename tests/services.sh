#!/bin/sh
# Make sure that the programs of PostgreSQL, PgBouncer and Redis are there, which the tests start themselves,
# and tmux.
set -eu
have() { command -v "$1" >/dev/null 2>&1; }
postgres() { have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
redis() { have redis-server || have valkey-server; }
pgbouncer() { have pgbouncer || [ -x /usr/sbin/pgbouncer ]; }
if postgres && pgbouncer && redis && have tmux; then exit 0; fi
if ! have apt-get; then
  echo "tests need PostgreSQL (initdb), pgbouncer, redis-server or valkey-server, and tmux: install them, try again" >&2
  exit 1
fi
sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q
$sudo apt-get install -qy --no-install-recommends postgresql pgbouncer redis-server tmux
