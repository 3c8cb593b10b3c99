#!/bin/sh
# Runs as root inside a fresh Debian that was booted for it, without network: installs the package, uses it as a
# service, upgrades, removes and purges it. /rf holds the packages. Prints one line for each check:
# "ok SENTENCE" or "not ok SENTENCE", what a failed command said before it.
set -u
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PAGER=cat SYSTEMD_PAGER=cat
first=/rf/first.deb second=/rf/second.deb
says=/tmp/says

check() {  # SENTENCE COMMAND...
  sentence=$1
  shift
  if "$@" >"$says" 2>&1; then echo "ok $sentence"; else
    sed 's/^/# /' "$says" | tail -n 20
    echo "not ok $sentence"
  fi
}
not() { ! "$@"; }
eventually() {  # SECONDS COMMAND...
  left=$(($1 * 5))
  shift
  until "$@"; do
    left=$((left - 1))
    [ $left -gt 0 ] || return 1
    sleep 0.2
  done
}
apt_install() { apt-get install -y -q -o Dpkg::Use-Pty=0 "$@"; }
show() { systemctl show --value -p "$1" ringfence.service; }
is() { [ "$1" = "$2" ] || { echo "it is \"$1\", not \"$2\""; return 1; }; }
contains() { case $1 in *"$2"*) ;; *) echo "no \"$2\" in: $1"; return 1 ;; esac; }
api() { curl -sS -m 10 -H "Authorization: Bearer $(cat /etc/ringfence/admin.token)" "http://127.0.0.1:8432$1"; }
is_ready() { [ "$(curl -s -o /dev/null -m 5 -w '%{http_code}' http://127.0.0.1:8432/readyz)" = 200 ]; }
through() {  # USER SQL
  PGPASSWORD=$1-password PGCONNECT_TIMEOUT=60 psql -X -A -t -h 127.0.0.1 -p 6432 -U "$1" -d shop -c "$2"
}
trail() { psql -X -A -t "host=/var/lib/ringfence/store/socket user=ringfence_reader dbname=ringfence" -c "$1"; }
limit() { grep "^Max $1" "/proc/$(show MainPID)/limits"; }
status_field() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$(show MainPID)/status"; }
status_is() { show StatusText | grep -q "$1"; }
status_shows() { eventually 10 status_is "$1" || { show StatusText; return 1; }; }
journal() { journalctl --no-pager -q -o cat -u ringfence.service "$@"; }
journal_has() { journal | grep -qi "$1"; }
journal_says() { eventually 5 journal_has "$1" || { journal -n 5; return 1; }; }
drop_in() {  # NAME, text on standard input
  mkdir -p /etc/systemd/system/ringfence.service.d
  cat >"/etc/systemd/system/ringfence.service.d/$1.conf"
  systemctl daemon-reload
}

# --- Installing
check "the package installs with what it needs" apt_install "$first"
[ -x /usr/bin/ringfence ] || exit 1
check "it is configured whole" is "$(dpkg-query -W -f '${db:Status-Status}' ringfence)" installed
check "the server programs came along" test -x /usr/lib/postgresql/15/bin/initdb
check "and no main cluster of theirs" is "$(pg_lsclusters -h)" ""
check "the switch that saw to it is taken back" not ls /etc/postgresql-common/createcluster.d/ringfence-no-main.conf
check "the service was started by the installation" systemctl is-active ringfence.service
check "and is enabled" systemctl is-enabled ringfence.service
check "the socket unit is left to the operator" not systemctl is-enabled ringfence.socket
check "the default configuration makes it ready" eventually 60 is_ready
check "the configuration belongs to root and the service" is "$(stat -c '%a %U:%G' /etc/ringfence/ringfence.yaml)" "640 root:ringfence"
check "the admin token is root's alone" is "$(stat -c '%a %U:%G' /etc/ringfence/admin.token)" "600 root:root"
check "the state is the service's alone" is "$(stat -c '%a %U:%G' /var/lib/ringfence)" "750 ringfence:ringfence"
check "it runs as its own user" is "$(ps -o user= -p "$(show MainPID)")" ringfence
check "the embedded store runs as the same user" pgrep -u ringfence -x postgres
check "and nobody else's database was started" is "$(ps -o user= -C postgres | sort -u)" ringfence
check "without capabilities" is "$(status_field CapBnd) $(status_field CapEff)" "0000000000000000 0000000000000000"
check "without new privileges" is "$(status_field NoNewPrivs)" 1
check "behind a system-call filter" is "$(status_field Seccomp)" 2
# As asked for, or as much as the machine that this is booted on gives at all.
most() { awk -v what="Max $1" 'index($0, what) == 1 { print $(NF - 1) }' /proc/1/limits; }
check "it asks for locked memory without limit" is "$(show LimitMEMLOCK) $(show LimitNOFILE)" "infinity 262144"
check "and has it" sh -c "echo '$(limit 'locked memory')' | grep -Eq 'unlimited|$(most 'locked memory')'"
check "and 262144 descriptors" sh -c "echo '$(limit 'open files')' | grep -Eq '262144|$(most 'open files')'"
check "systemd rates its exposure at most 2.0" systemd-analyze security --no-pager --threshold=20 ringfence.service
check "the units are well-formed" systemd-analyze verify --man=no ringfence.service ringfence.socket
check "systemctl status shows how it is" status_shows '^0 sessions, 0 users, 0 targets'
check "the admin API answers with the token" contains "$(api /api/v1/stats)" '"state":"ready"'
check "and not without" is "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8432/api/v1/stats)" 401
check "a scraper gets metrics" contains "$(api /metrics)" "
ringfence_ready 1
"
check "the manual pages are there" test -s /usr/share/man/man8/ringfence.8.gz -a -s /usr/share/man/man5/ringfence.yaml.5.gz -a -s /usr/share/man/man1/ringfence.1.gz
check "shells complete its commands" test -s /usr/share/bash-completion/completions/ringfence -a -s /usr/share/zsh/vendor-completions/_ringfence
check "its client talks to it" env RINGFENCE_URL=http://127.0.0.1:8432 RINGFENCE_KEY="$(cat /etc/ringfence/admin.token)" ringfence status
check "installing it again changes nothing" apt_install --reinstall "$first"
check "it is ready again" eventually 60 is_ready

# --- A target, a user, a credential
target=/var/tmp/target
as_postgres() { runuser -u postgres -- env LC_ALL=C.UTF-8 "$@"; }
make_target() {
  as_postgres /usr/lib/postgresql/15/bin/initdb -D $target -A scram-sha-256 --auth-local=trust --no-sync &&
    as_postgres /usr/lib/postgresql/15/bin/pg_ctl -D $target -l $target/log -w start \
      -o "-p 5433 -c listen_addresses=127.0.0.1 -c unix_socket_directories=/tmp" &&
    as_postgres psql -X -h /tmp -p 5433 -c "CREATE ROLE shop_app LOGIN PASSWORD 'behind'" -c "CREATE DATABASE shop OWNER shop_app"
}
configure() {  # USER...
  {
    echo 'listeners: [{name: postgres, address: 127.0.0.1, port: 6432}]'
    echo 'admin: {token_file: admin.token}'
    echo 'users:'
    for user in "$@"; do
      echo "  - {name: $user, verifier: \"$(echo "$user-password" | ringfence scram-verifier)\", roles: [operator]}"
    done
    echo 'policies: [{name: operators, roles: [operator], level: admin}]'
    echo 'targets: [{name: shop, host: 127.0.0.1, port: 5433, user: shop_app, password_file: shop.password}]'
  } >/etc/ringfence/ringfence.yaml
}
check "a target is made" make_target
(umask 077; echo behind >/etc/ringfence/shop.password)
configure alice
systemctl reload ringfence.service
check "a secret that is no credential yet stops the reload, not the service" status_shows 'the last reload failed.*shop.password'
check "it goes on as before" is_ready
echo '[Service]
LoadCredential=shop.password:/etc/ringfence/shop.password' | drop_in credentials
check "with the credential it restarts" systemctl restart ringfence.service
check "psql goes through" is "$(through alice 'SELECT 40 + 2')" 42
check "the statement is in the trail" eventually 15 sh -c "psql -X -A -t 'host=/var/lib/ringfence/store/socket user=ringfence_reader dbname=ringfence' -c \"SELECT user_name, target, rows FROM ringfence.audit_query WHERE statement = 'SELECT 40 + 2'\" | grep -qx 'alice|shop|1'"
check "the trail proves itself" ringfence audit verify
check "a heavy query runs without the just-in-time compiler" trail "SELECT sum(a * b) FROM generate_series(1, 3000) a, generate_series(1, 300) b"

# --- Reloading
configure alice bob
check "bob is nobody yet" not through bob 'SELECT 1'
check "a reload succeeds" systemctl reload ringfence.service
check "bob may come in" eventually 10 sh -c 'PGPASSWORD=bob-password psql -X -h 127.0.0.1 -p 6432 -U bob -d shop -c "SELECT 1"'
check "the service is active, not reloading" eventually 10 sh -c '[ "$(systemctl is-active ringfence)" = active ]'
cp -p /etc/ringfence/ringfence.yaml /tmp/good.yaml
echo 'no_such_key: 1' >>/etc/ringfence/ringfence.yaml
systemctl reload ringfence.service
check "a bad file is named by the status" status_shows 'the last reload failed.*ringfence.yaml:[0-9]*: no_such_key'
check "and by the journal" journal_says 'ringfence.yaml:[0-9]*: no_such_key'
check "everybody is still served" is "$(through bob 'SELECT 7')" 7
cp -p /tmp/good.yaml /etc/ringfence/ringfence.yaml
check "the good file reloads" systemctl reload ringfence.service
check "the status forgets the failure" status_shows '^[0-9]* sessions*, '

# --- Restart and watchdog
before=$(show InvocationID)
check "it restarts" systemctl restart ringfence.service
check "as another invocation" not is "$(show InvocationID)" "$before"
check "and serves" is "$(through alice 'SELECT 8')" 8
echo '[Service]
WatchdogSec=3' | drop_in watchdog
systemctl restart ringfence.service
pid=$(show MainPID)
sleep 8
check "the watchdog is fed" is "$(show MainPID) $(show NRestarts)" "$pid 0"
through alice 'SELECT pg_sleep(7)' >/tmp/slept 2>&1 &
slept=$!
eventually 10 sh -c 'curl -sS -H "Authorization: Bearer $(cat /etc/ringfence/admin.token)" http://127.0.0.1:8432/api/v1/stats | grep -q "\"open\":1"'
check "a drain longer than the watchdog's time is no failure" systemctl stop ringfence.service
check "the statement ended by itself" wait $slept
check "the stop was clean" is "$(show Result) $(show ExecMainStatus)" "success 0"
systemctl start ringfence.service
kill -STOP "$(show MainPID)"
check "a process that hangs is ended and started again" eventually 90 sh -c '[ "$(systemctl show --value -p NRestarts ringfence)" -ge 1 ] && [ "$(systemctl is-active ringfence)" = active ]'
check "it was the watchdog" journal_says 'watchdog timeout'
check "and it serves" is "$(through alice 'SELECT 9')" 9
rm /etc/systemd/system/ringfence.service.d/watchdog.conf
systemctl daemon-reload

# --- Socket activation
systemctl stop ringfence.service
check "nobody listens when it is stopped" not through alice 'SELECT 1'
check "the socket unit listens" systemctl enable --now ringfence.socket
check "a connection starts the service" is "$(through alice 'SELECT 10')" 10
check "it took the socket over" journal_says "socket unit's socket"
(
  while [ ! -e /tmp/enough ]; do through alice 'SELECT 11' 2>&1 || echo failed; done >/tmp/attempts
) &
attempts=$!
eventually 20 grep -q 11 /tmp/attempts
systemctl restart ringfence.service
systemctl restart ringfence.service
eventually 20 is_ready
through alice 'SELECT 1' >/dev/null
touch /tmp/enough
wait $attempts
check "no attempt is refused while it restarts" not grep -i 'refused\|reset\|timeout' /tmp/attempts
grep -v '^11$' /tmp/attempts | sed 's/^/# /'
check "those who came in between were served" sh -c '[ "$(grep -c "^11$" /tmp/attempts)" -ge 3 ]'
echo "# $(grep -c '^11$' /tmp/attempts) served, $(grep -c failed /tmp/attempts) told that it is shutting down"
mkdir -p /etc/systemd/system/ringfence.socket.d
printf '[Socket]\nListenStream=\nListenStream=127.0.0.1:6433\n' >/etc/systemd/system/ringfence.socket.d/elsewhere.conf
systemctl daemon-reload
systemctl stop ringfence.service ringfence.socket
systemctl start ringfence.socket
systemctl start ringfence.service >/dev/null 2>&1
check "a socket elsewhere than configured is an error with both addresses" journal_says '127.0.0.1:6433.*127.0.0.1:6432'
systemctl stop ringfence.service ringfence.socket
rm -r /etc/systemd/system/ringfence.socket.d
systemctl disable -q ringfence.socket
systemctl daemon-reload
systemctl reset-failed ringfence.service
check "without the socket unit it starts" systemctl start ringfence.service
check "and serves" is "$(through alice 'SELECT 12')" 12

# --- Upgrade, removal, purge
through alice "SELECT 'before the upgrade'" >/dev/null
token=$(cat /etc/ringfence/admin.token) before=$(show InvocationID)
check "the next version installs over it" apt_install "$second"
check "it is the next version" not is "$(dpkg-query -W -f '${Version}' ringfence)" "$(dpkg-deb -f $first Version)"
check "the service was restarted" not is "$(show InvocationID)" "$before"
check "and serves with the configuration that was there" is "$(through bob 'SELECT 13')" 13
check "the token is the same" is "$(cat /etc/ringfence/admin.token)" "$token"
check "the trail is the same" is "$(trail "SELECT count(*) FROM ringfence.audit_query WHERE statement LIKE '%before the upgrade%'")" 1
check "the trail proves itself over both versions" ringfence audit verify
check "no secret is in the journal" not sh -c "journalctl -q -o cat | grep -F -e '$token' -e behind -e alice-password"
check "it is removed" apt-get remove -y -q ringfence
check "nothing of it runs" not pgrep -u ringfence
check "the program is gone" not test -e /usr/bin/ringfence -o -e /lib/systemd/system/ringfence.service
check "configuration and trail are kept" test -s /etc/ringfence/ringfence.yaml -a -s /etc/ringfence/admin.token -a -d /var/lib/ringfence/store/data
check "it comes back with its trail" apt_install "$second"
eventually 60 is_ready
check "as if never away" is "$(through alice 'SELECT 14') $(trail "SELECT count(*) FROM ringfence.audit_query WHERE statement LIKE '%before the upgrade%'")" "14 1"
rm -r /etc/systemd/system/ringfence.service.d /etc/ringfence/shop.password
check "it is purged" apt-get purge -y -q ringfence
check "twice" dpkg --purge ringfence
check "no process is left" not pgrep -u ringfence
left=$(find /etc /var /usr /lib /run -xdev -name '*ringfence*' ! -path '/var/cache/apt/*' ! -path '/run/systemd/*' ! -path '/var/lib/systemd/*' ! -path '/run/credentials/*' 2>/dev/null)
check "no file is left" is "$left" ""
check "the user stays, without a way to log in" sh -c 'getent passwd ringfence | grep -q ":/usr/sbin/nologin$"'
as_postgres /usr/lib/postgresql/15/bin/pg_ctl -D $target -m immediate -s stop
echo done
