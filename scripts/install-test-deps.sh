#!/bin/bash
# Installs the Debian packages that tests with real servers need, where that is possible (root on Debian or a relative
# of it). Elsewhere it only says what is missing: the tests that need it then skip, or fail with CI=true.
# Run by `npm test`; harmless to run again: without anything missing it takes a few milliseconds.
set -u

# One line each: what must work, and the Debian package that brings it. Add to it as tests need more.
NEEDS='
java -version                              default-jdk-headless
javac -version                             default-jdk-headless
mvn --version                              maven
python3 -c "import venv,ensurepip"         python3-venv
logrotate --version                        logrotate
faketime --version                         faketime
setpriv --version                          util-linux
openssl version                            openssl
zsh --version                              zsh
fish --version                             fish
man --version                              man-db
tcpdump --version                          tcpdump
tshark --version                           tshark
tcpreplay --version                        tcpreplay
test -e /usr/include/pcap/pcap.h           libpcap-dev
g++ --version                              g++
make --version                             make
sysctl --version                           procps
dnsmasq --version                          dnsmasq-base
busybox true                               busybox
ip -V                                      iproute2
ping -V                                    iputils-ping
curl --version                             curl
nginx -v                                   nginx-light
chronyd --version                          chrony
dig -v                                     bind9-dnsutils
systemd-analyze --version                  systemd
tmux -V                                    tmux
'

missing=''
while read -r line; do
  [ -n "$line" ] || continue
  package=${line##* }
  check=${line% *}
  # Starting Maven takes half a second: that it is there is enough.
  case $check in mvn*) check='command -v mvn' ;; esac
  if ! bash -c "$check" >/dev/null 2>&1; then
    case " $missing " in *" $package "*) ;; *) missing="$missing $package" ;; esac
  fi
done <<< "$NEEDS"

missing=${missing# }
if [ -z "$missing" ]; then
  exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "Missing for the tests with real servers: $missing" >&2
  echo "hint: on Debian or Ubuntu run \`sudo apt-get install $missing\`; elsewhere install what these bring" >&2
  exit 0
fi
echo "Installing for the tests with real servers: $missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -q &&
  # shellcheck disable=SC2086
  apt-get install -q -y --no-install-recommends $missing
