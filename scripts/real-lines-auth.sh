#!/bin/bash
# Prints what sshd, sudo and su of Debian write to auth.log. They run as root of a copy of this system: a file system laid
# over it, a network with nothing but loopback, a name of its own. Nothing of it is left. Needs root and overlayfs.
#
#     unshare --mount --uts bash scripts/real-lines-auth.sh FOLDER      (an empty folder, for what is laid over)
set -eu
work=$1
root=$work/root
mkdir -p "$root" "$work/upper" "$work/overlay"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/overlay" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev"
for device in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "$root/dev/${device%:*}" c 1 "${device#*:}"; done
mknod -m 666 "$root/dev/tty" c 5 0
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
chmod 1777 "$root/tmp"
hostname web01
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"; }
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod 755 "$root/usr/sbin/policy-rc.d"
inside DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends openssh-server openssh-client sudo rsyslog iproute2 >&2
inside dpkg-query -W -f '${Package} ${Version}\n' openssh-server sudo rsyslog login >"$work/versions"
cat >"$root/root/log-in" <<'INSIDE'
set -u
export LC_ALL=C
ip link set lo up
echo "127.0.0.1 web01" >>/etc/hosts
mkdir -p /run/sshd /var/log
: >/var/log/auth.log && chown root:adm /var/log/auth.log
for name in ada bob; do useradd -m -s /bin/bash "$name" && echo "$name:right" | chpasswd; done
echo 'ada ALL=(ALL:ALL) ALL' >/etc/sudoers.d/ada && chmod 440 /etc/sudoers.d/ada
sed -i '/imklog/d; /^\$PrivDrop/d; /^\$FileOwner/d; /^\$FileGroup/d' /etc/rsyslog.conf
rsyslogd -n & syslog=$!
for i in $(seq 100); do [ -S /dev/log ] && break; sleep 0.1; done
/usr/sbin/sshd -D -p 2222 -o ListenAddress=127.0.0.1 -o LogLevel=INFO -o MaxAuthTries=3 & sshd=$!
sleep 1
ssh-keygen -q -t ed25519 -N '' -f /root/key
install -d -m 700 -o ada -g ada /home/ada/.ssh && install -m 600 -o ada -g ada /root/key.pub /home/ada/.ssh/authorized_keys
printf '#!/bin/sh\necho "$SAY"\n' >/root/say && chmod 755 /root/say
log_in() { # PASSWORD USER OPTIONS…
  local password=$1 user=$2; shift 2
  SAY=$password SSH_ASKPASS=/root/say SSH_ASKPASS_REQUIRE=force timeout 20 ssh -p 2222 -o StrictHostKeyChecking=no \
    -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "$@" "$user@127.0.0.1" true </dev/null
}
log_in right ada -i /root/key
log_in right bob -o PubkeyAuthentication=no
log_in wrong bob -o PubkeyAuthentication=no
log_in wrong mallory -o PubkeyAuthentication=no
log_in wrong root -o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1
log_in wrong '' -o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1
timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/2222; echo "GET / HTTP/1.0" >&3; cat <&3' >/dev/null
timeout 1 bash -c 'exec 3<>/dev/tcp/127.0.0.1/2222; sleep 5'
as() { su - "$1" -c "$2" </dev/null; }
as ada 'echo right | sudo -S -p "" id'
as ada 'echo right | sudo -S -p "" -u bob sh -c "cd /tmp; ls | wc -l"'
as ada 'printf "wrong\nwrong\nwrong\n" | sudo -k -S -p "" id'
as bob 'echo right | sudo -S -p "" cat /etc/shadow'
as bob 'echo wrong | su ada -c id'
as bob 'echo right | su ada -c id'
sleep 1
kill "$sshd" && sleep 0.5 && kill "$syslog" && wait
INSIDE
chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin unshare --net --pid --fork --mount-proc bash /root/log-in >&2 || true
cat "$root/var/log/auth.log"
