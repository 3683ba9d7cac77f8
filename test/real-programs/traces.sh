#!/bin/sh
# Real lines for pipelines/app-multiline.json: programs of a few lines that fail, in each language that this host has
# (Ruby's package is downloaded and unpacked, not installed). Prints a heading for each, then what it wrote.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

echo '== java'
cat >Shop.java <<'J'
import java.util.logging.*;
public class Shop {
  static void pay(int id) { try { Integer.parseInt("x" + id); } catch (NumberFormatException e) { throw new IllegalStateException("order " + id + " cannot be paid", e); } }
  public static void main(String[] args) {
    System.setProperty("java.util.logging.SimpleFormatter.format", "%1$tF %1$tT.%1$tL %4$s [main] %2$s - %5$s%6$s%n");
    Logger log = Logger.getLogger("shop");
    log.info("ready");
    try { pay(7); } catch (IllegalStateException e) { log.log(Level.SEVERE, "payment failed", e); }
    pay(8);
  }
}
J
java Shop.java 2>&1 || true

echo '== node'
cat >shop.js <<'J'
function pay(id) { try { JSON.parse("{" + id); } catch (cause) { throw new Error(`order ${id} cannot be paid`, { cause }); } }
console.error("2026-11-21T10:00:00.000Z INFO ready");
try { pay(7); } catch (error) { console.error("2026-11-21T10:00:01.000Z ERROR payment failed", error); }
pay(8);
J
node shop.js 2>&1 || true

echo '== python'
cat >shop.py <<'P'
import logging
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
log = logging.getLogger("shop")
def pay(order):
    try:
        return 1 / (order - order)
    except ZeroDivisionError as e:
        raise ValueError(f"order {order} cannot be paid") from e
log.info("ready")
try:
    pay(7)
except ValueError:
    log.exception("payment failed")
pay(8)
P
python3 shop.py 2>&1 || true

echo '== go'
cat >shop.go <<'G'
package main

import "log"

type order struct{ id *int }

func pay(o order) int { return *o.id }

func main() {
	log.Println("ready")
	pay(order{})
}
G
GOCACHE="$folder/cache" go run shop.go 2>&1 || true

echo '== ruby'
if ! command -v ruby >/dev/null; then
  for package in ruby3.1 libruby3.1 libgmp10 libyaml-0-2 rubygems-integration; do apt-get -qq -o APT::Sandbox::User=root download "$package" >/dev/null; done
  for deb in *.deb; do dpkg-deb -x "$deb" root; done
  export LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu"
  export RUBYLIB="$folder/root/usr/lib/ruby/3.1.0:$folder/root/usr/lib/x86_64-linux-gnu/ruby/3.1.0"
  ruby() { "$folder/root/usr/bin/ruby3.1" --disable-gems "$@"; }
fi
cat >shop.rb <<'R'
require "logger"
log = Logger.new($stderr)
def pay(id)
  Integer("x#{id}")
rescue ArgumentError
  raise "order #{id} cannot be paid"
end
log.info("ready")
begin
  pay(7)
rescue => e
  log.error(e)
end
pay(8)
R
ruby shop.rb 2>&1 || true
