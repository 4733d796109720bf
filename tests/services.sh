#!/bin/sh
# Make sure that PostgreSQL's and Redis's programs are there. The tests start their own servers from them.
set -eu
have() { command -v "$1" >/dev/null 2>&1; }
postgres() { have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
redis() { have redis-server || have valkey-server; }
if postgres && redis; then exit 0; fi
if ! have apt-get; then
  echo "tests need PostgreSQL (initdb) and redis-server or valkey-server: install them and try again" >&2
  exit 1
fi
sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q
$sudo apt-get install -qy --no-install-recommends postgresql redis-server
