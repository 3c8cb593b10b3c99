# shellcheck shell=sh
# ./dev run and ./dev stop: the appliance in front of a demo database.
# Processes are ended only when a file of ours names them and the kernel confirms that they are still the same ones.
# Sourced by ./dev, which says where things are ($root, $build) and how to say something (say, step, die).
# shellcheck disable=SC2034,SC2154,SC2046  # help_* are used by name; secrets come from a file; words are meant.

# A process that we started is named in a file by its id and start time, because ids are used again.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }
record_pid() { echo "$1 $(start_time "$1")" >"$2"; }
recorded_pid() {  # FILE: prints the id when that very process lives.
  [ -f "$1" ] || return 1
  read -r pid started <"$1" || return 1
  [ -n "$pid" ] && [ "$(start_time "$pid")" = "$started" ] || return 1
  echo "$pid"
}
# A PostgreSQL cluster of ours lives when its pid file names a process that works in that very directory.
cluster_pid() {
  pid=$(as_pg head -n 1 "$1/postmaster.pid" 2>/dev/null) || return 1
  [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$(readlink -f "$1")" ] || return 1
  echo "$pid"
}

# PostgreSQL refuses to run as root; then its programs run as the user that Debian's package made for them.
pg_user() { if [ "$(id -u)" -eq 0 ]; then echo postgres; else id -un; fi; }
as_pg() {
  if [ "$(id -u)" -eq 0 ]; then
    (cd / && exec setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/tmp LC_ALL=C.UTF-8 "$@")
  else (cd / && exec env LC_ALL=C.UTF-8 "$@"); fi
}

# Whether a user beside root may put something else in the place of a folder: root keeps no state there.
others_change() {
  [ "$(id -u)" -eq 0 ] || return 1
  at=$(readlink -f "$1")
  while [ "$at" != / ]; do
    [ "$(stat -c %u "$at")" -eq 0 ] || return 0
    if [ -n "$(find "$at" -maxdepth 0 -perm /022 ! -perm -1000)" ]; then return 0; fi
    at=$(dirname "$at")
  done
  return 1
}

# Where clusters and state live: build/run, unless the server's user cannot get there, or others may change the way
# there, or the path is too long for a socket's name (107 bytes).
choose_state() {
  mkdir -p "$run"
  if [ -f "$run/state" ]; then state=$(cat "$run/state"); else state=; fi
  if [ -z "$state" ] || [ ! -d "$state" ] || others_change "$state"; then
    state=$run
    if ! as_pg test -x "$run" 2>/dev/null || [ "${#run}" -gt 60 ] || others_change "$run"; then
      state=/var/tmp/ringfence-$(id -u)-$(printf %s "$root" | cksum | cut -d ' ' -f 1)
      # Others may have made the name first: nothing is changed through it before it is known to be ours.
      mkdir -m 755 "$state" 2>/dev/null || true
      if [ ! -d "$state" ] || [ -L "$state" ] || [ "$(stat -c %u "$state")" != "$(id -u)" ]; then
        die "$state belongs to somebody else" "remove it"
      fi
      chmod 755 "$state"
      say "Not below $root, which the database user cannot enter or others may change: clusters and state go to $state."
    fi
    printf '%s\n' "$state" >"$run/state"
  fi
}

port_free() { "$python" -c 'import socket,sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))' "$1" 2>/dev/null; }
need_port() {  # PORT ENVIRONMENT-NAME YAML-KEY
  port_free "$1" || die "port $1 is taken by another process" "choose another: $2=$(($1 + 1000)) ./dev run   (the setting is $3)"
}
random_word() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }

start_demo() {
  demo=$state/demo
  if cluster_pid "$demo/data" >/dev/null; then return 0; fi
  need_port "$demo_port" RINGFENCE_DEMO_PORT 'the demo target'\''s own port'
  if [ ! -f "$demo/seeded" ]; then
    step "making the demo target: a PostgreSQL cluster with a small shop"
    rm -rf "$demo"
    mkdir -p "$demo"
    if [ "$(id -u)" -eq 0 ]; then chown postgres: "$demo"; fi
    chmod 700 "$demo"
    as_pg mkdir "$demo/socket"
    as_pg "$pg_bin/initdb" -D "$demo/data" -U postgres -E UTF8 --locale=C.UTF-8 --auth=scram-sha-256 \
      --auth-local=trust --no-sync >"$run/demo-initdb.log" 2>&1 ||
      die "initdb failed for the demo target" "see build/run/demo-initdb.log"
    # Unix socket: the superuser, for whoever may enter the directory (mode 0700). TCP: passwords only.
    printf '%s\n' 'local all postgres trust' 'host all all 127.0.0.1/32 scram-sha-256' |
      as_pg tee "$demo/data/pg_hba.conf" >/dev/null
  fi
  as_pg "$pg_bin/pg_ctl" -D "$demo/data" -l "$demo/server.log" -w -t 60 -s start -o "\
    -c port=$demo_port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$demo/socket \
    -c max_connections=200 -c shared_buffers=32MB -c cluster_name=ringfence-demo" >/dev/null 2>&1 ||
    die "the demo target did not start" "see $demo/server.log"
  demo_psql() { as_pg "$pg_bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$demo/socket" -p "$demo_port" -U postgres "$@"; }
  if [ ! -f "$demo/seeded" ]; then
    demo_psql -d postgres -c 'CREATE DATABASE shop' >&2
    demo_psql -d shop -v app_password="$target_password" -f - <"$root/packaging/demo/shop.sql" >&2 ||
      die "packaging/demo/shop.sql failed"
    as_pg touch "$demo/seeded"
  else
    # Somebody may have tried what a role can do to itself.
    echo "ALTER ROLE shop_app PASSWORD :'app_password'" | demo_psql -d shop -v app_password="$target_password"
  fi
}

stop_cluster() {  # DATA-DIRECTORY NAME
  if pid=$(cluster_pid "$1"); then
    step "stopping $2 (process $pid)"
    as_pg "$pg_bin/pg_ctl" -D "$1" -m fast -w -t 30 -s stop >/dev/null 2>&1 || say "dev: $2 did not stop in 30 s"
  fi
}

stop_everything() {
  if pid=$(recorded_pid "$run/ringfence.pid"); then
    step "stopping ringfence (process $pid)"
    kill -TERM "$pid" 2>/dev/null || true
    waited=0
    while recorded_pid "$run/ringfence.pid" >/dev/null && [ $waited -lt 400 ]; do
      sleep 0.1
      waited=$((waited + 1))
    done
    if recorded_pid "$run/ringfence.pid" >/dev/null; then
      say "dev: it did not end in 40 s: kill -9"
      kill -KILL "$pid" 2>/dev/null || true
    fi
  fi
  rm -f "$run/ringfence.pid"
  if [ -f "$run/state" ]; then
    state=$(cat "$run/state")
    # An appliance that was killed leaves its store running; the next start would adopt it, stop ends it.
    for data in "$state"/appliance/*/postmaster.pid "$state"/appliance/*/*/postmaster.pid; do
      if [ -f "$data" ]; then stop_cluster "${data%/postmaster.pid}" "the embedded store"; fi
    done
    stop_cluster "$state/demo/data" "the demo target"
  fi
  rm -f "$run/env"
}

write_configuration() {
  (
    umask 077
    cat >"$run/ringfence.yaml.new" <<YAML
# Written by ./dev run; changed by hand it lasts until the next one.
node: demo-1
state_dir: $state/appliance
listeners:
  - {name: postgres, protocol: postgres, address: 127.0.0.1, port: $pg_port}
admin: {address: 127.0.0.1, port: $admin_port, token: "$admin_token"}
store: embedded
users:
  - {name: demo, password: "$demo_password", roles: [operator]}
  - {name: reader, password: "$demo_password", roles: [analyst]}
policies:
  - {name: operators, roles: [operator], tags: ["*"], level: admin}
  - {name: analysts, roles: [analyst], tags: ["*"], level: read}
targets:
  - name: shop
    host: 127.0.0.1
    port: $demo_port
    database: shop
    user: shop_app
    password: "$target_password"
    tags: [demo]
YAML
    mv "$run/ringfence.yaml.new" "$run/ringfence.yaml"
  )
}

write_env() {
  (
    umask 077
    cat >"$run/env.new" <<ENV
RINGFENCE_PG_PORT=$pg_port
RINGFENCE_ADMIN_URL=http://127.0.0.1:$admin_port
RINGFENCE_ADMIN_TOKEN=$admin_token
RINGFENCE_STORE_DSN='$(store_dsn)'
RINGFENCE_DEMO_USER=demo
RINGFENCE_DEMO_PASSWORD=$demo_password
RINGFENCE_DEMO_DATABASE=shop
RINGFENCE_DEMO_SERVER_PORT=$demo_port
RINGFENCE_DEMO_SERVER_PASSWORD=$target_password
export RINGFENCE_PG_PORT RINGFENCE_ADMIN_URL RINGFENCE_ADMIN_TOKEN RINGFENCE_STORE_DSN
export RINGFENCE_DEMO_USER RINGFENCE_DEMO_PASSWORD RINGFENCE_DEMO_DATABASE
export RINGFENCE_DEMO_SERVER_PORT RINGFENCE_DEMO_SERVER_PASSWORD
ENV
    mv "$run/env.new" "$run/env"
  )
}

# The embedded store as whoever started the appliance reaches it: its own socket, a role that reads.
store_dsn() { echo "host=$state/appliance/store/socket port=5432 user=ringfence_reader dbname=ringfence"; }

show_tour() {
  cat <<TOUR
Ringfence is ready: PostgreSQL on 127.0.0.1:$pg_port, admin API on 127.0.0.1:$admin_port. Log: build/run/ringfence.log

  . $run/env
  PGPASSWORD=\$RINGFENCE_DEMO_PASSWORD psql -h 127.0.0.1 -p \$RINGFENCE_PG_PORT -U \$RINGFENCE_DEMO_USER \$RINGFENCE_DEMO_DATABASE
  curl -s -H "Authorization: Bearer \$RINGFENCE_ADMIN_TOKEN" \$RINGFENCE_ADMIN_URL/api/v1/sessions
  psql "\$RINGFENCE_STORE_DSN" -c "SELECT ts, user_name, outcome, rows, statement FROM ringfence.audit_query ORDER BY ts DESC LIMIT 10"
TOUR
}

help_run='usage: ./dev run [--detach]
Builds, makes a demo target (a private PostgreSQL cluster with a small shop), starts Ringfence in front of it with
its embedded store and prints what to try. Stays in the foreground, and Ctrl-C stops all that it started; with
--detach it returns when Ringfence is ready, and ./dev stop ends it. build/run/env can be sourced by a shell.
Ports: RINGFENCE_LISTENERS_0_PORT (6432), RINGFENCE_ADMIN_PORT (8432), RINGFENCE_DEMO_PORT (15432).'
cmd_run() {
  detach=
  for argument in "$@"; do
    case $argument in
      --detach | -d) detach=1 ;;
      *) die "run does not know $argument" "$help_run" ;;
    esac
  done
  need build run
  choose_state
  pg_port=${RINGFENCE_LISTENERS_0_PORT:-6432}
  admin_port=${RINGFENCE_ADMIN_PORT:-8432}
  demo_port=${RINGFENCE_DEMO_PORT:-15432}
  if pid=$(recorded_pid "$run/ringfence.pid"); then
    if [ -f "$run/env" ]; then
      # shellcheck disable=SC1091
      . "$run/env"
      pg_port=$RINGFENCE_PG_PORT admin_port=${RINGFENCE_ADMIN_URL##*:}
    fi
    say "Ringfence is already running (process $pid); ./dev stop ends it."
    show_tour
    return 0
  fi
  build_release
  if [ ! -f "$run/secrets" ]; then
    (
      umask 077
      echo "admin_token=$(random_word 24) demo_password=$(random_word 9) target_password=$(random_word 16)" >"$run/secrets"
    )
    rm -f "$state/demo/seeded"  # Made with another password.
    stop_cluster "$state/demo/data" "the old demo target"
  fi
  # shellcheck disable=SC1091
  . "$run/secrets"
  need_port "$pg_port" RINGFENCE_LISTENERS_0_PORT 'listeners[0].port'
  need_port "$admin_port" RINGFENCE_ADMIN_PORT 'admin.port'
  start_demo
  mkdir -p "$state/appliance"
  write_configuration
  if [ -n "$detach" ]; then trap 'stop_everything' INT TERM; else trap 'trap "" INT TERM; echo; stop_everything; exit 0' INT TERM; fi
  step "starting ringfence"
  # A session of its own: Ctrl-C on this terminal reaches us, and we stop things in order.
  # The file says everything; variables of the shell that started us are for us.
  (cd / && unset -v $(env | sed -n 's/^\(RINGFENCE_[A-Z0-9_]*\)=.*/\1/p') ignored_word && exec setsid \
    "$build/release/ringfence" serve --config "$run/ringfence.yaml" </dev/null >>"$run/ringfence.log" 2>&1) &
  appliance=$!
  record_pid "$appliance" "$run/ringfence.pid"
  waited=0
  until [ "$(curl -s -o /dev/null -w '%{http_code}' -m 2 "http://127.0.0.1:$admin_port/readyz" 2>/dev/null)" = 200 ]; do
    if ! kill -0 "$appliance" 2>/dev/null || [ $waited -ge 600 ]; then
      tail -n 15 "$run/ringfence.log" >&2
      stop_everything
      die "ringfence did not become ready" "the log: build/run/ringfence.log"
    fi
    sleep 0.1
    waited=$((waited + 1))
  done
  write_env
  show_tour
  if [ -n "$detach" ]; then return 0; fi
  say "Ctrl-C stops everything. The log follows."
  tail -n 0 -f --pid="$appliance" "$run/ringfence.log" &
  tail_pid=$!
  status=0
  wait "$appliance" || status=$?
  kill "$tail_pid" 2>/dev/null || true
  stop_everything
  return $status
}

help_stop='usage: ./dev stop
Ends what ./dev run started: the appliance, its embedded store, the demo target. Data stays in build/run.'
cmd_stop() {
  if ! recorded_pid "$run/ringfence.pid" >/dev/null && [ ! -f "$run/env" ]; then say "Nothing of ours is running."; fi
  stop_everything
}
