#!/bin/sh
# Real lines for pipelines/mysql-slow.json: starts Debian's MariaDB in a temporary folder (its packages are downloaded and
# unpacked there, nothing is installed), has it log slow queries, and prints the log.
set -eu
folder=$(mktemp -d)
trap 'kill "${server:-0}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
for package in mariadb-server-core mariadb-client-core libaio1 liburing2 libnuma1 libncurses6; do
  apt-get -qq -o APT::Sandbox::User=root download "$package" >/dev/null
done
for deb in *.deb; do dpkg-deb -x "$deb" root; done
export LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu:$folder/root/lib/x86_64-linux-gnu"
mkdir data
root/usr/bin/mariadb-install-db --no-defaults --basedir="$folder/root/usr" --datadir="$folder/data" \
  --auth-root-authentication-method=normal --skip-test-db --user="$(id -un)" >install.log 2>&1
root/usr/sbin/mariadbd --no-defaults --basedir="$folder/root/usr" --datadir="$folder/data" --user="$(id -un)" \
  --socket="$folder/sock" --skip-networking --lc-messages-dir="$folder/root/usr/share/mysql" \
  --slow-query-log=1 --slow-query-log-file="$folder/slow.log" --long-query-time=0.1 \
  --log-slow-verbosity=query_plan,explain >server.log 2>&1 &
server=$!
client() { root/usr/bin/mariadb --no-defaults -u root -S "$folder/sock" "$@"; }
tries=0
until client -e 'SELECT 1' >/dev/null 2>&1; do
  tries=$((tries + 1)); [ "$tries" -lt 60 ] || { cat install.log server.log >&2; exit 1; }; sleep 0.5
done
client -e "CREATE DATABASE shop; USE shop; CREATE TABLE orders (id INT PRIMARY KEY, note TEXT);
  INSERT INTO orders VALUES (1, 'a'), (2, 'b'); SELECT SLEEP(0.2);
  SELECT id,
    note, SLEEP(0.15)
  FROM orders WHERE id > 0; UPDATE orders SET note = SLEEP(0.2) WHERE id = 1;" >/dev/null
client shop -e "SET timestamp = 1795282988; SELECT 'a; # b', SLEEP(0.3)" >/dev/null
client -e 'SHUTDOWN'
wait "$server" || true
cat slow.log
