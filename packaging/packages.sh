# shellcheck shell=sh
# Debian packages that working on the project needs, and how they are installed.
# Sourced by ./dev, which says where things are ($root, $build) and how to say something (say, step, die).
# shellcheck disable=SC2154  # Variables are dev's.

# One line for each package: the group that needs it, the package, why.
packages() {
  cat <<'LIST'
build  g++                    the compiler of record (12)
build  meson                  build system
build  ninja-build            build system
build  pkgconf                finds the libraries below
build  cmake                  finds mimalloc, which has no pkg-config file
build  ccache                 makes the second build of a file free
build  mold                   links in a second
build  python3                tests and tools; meson needs it anyway
build  liburing-dev           io_uring; used by ring alone
build  libssl-dev             libcrypto (crypto) and libssl (net)
build  libipsec-mb-dev        digests side by side; used by crypto alone, and only where it exists (amd64)
build  libhyperscan-dev       pattern sets; used by policy alone
build  libpq-dev              the store's connection
build  libmimalloc-dev        the process's allocator
build  libidn-dev             SASLprep of passwords; used by pg alone
build  libpg-query-dev        PostgreSQL's own grammar; used by sql alone
build  libprotobuf-c-dev      reads the parse trees that libpg_query gives
build  node-llhttp            HTTP/1.1 parser, as C sources
build  libwslay-dev           WebSocket framing
build  nlohmann-json3-dev     JSON
build  libyaml-cpp-dev        the configuration file
build  libcli11-dev           command line
build  libhowardhinnant-date-dev  time zones
build  tzdata                 their database
build  libcurl4-openssl-dev   HTTP of the command line's client; used by app/client alone
build  libfmt-dev             formatting
build  libargon2-dev          password hashing for the API's users
build  libsystemd-dev         readiness, credentials
build  libexpected-dev        tl::expected, under Result<T>
build  doctest-dev            unit tests
run    postgresql-15          server programs of the embedded store and of the demo target
run    postgresql-client-15   psql
run    curl                   the admin API by hand
test   postgresql-15          targets and stores of the end-to-end tests; pgbench
test   postgresql-client-15   psql, under test as a client
test   python3-pytest         runs tests/e2e
test   python3-pytest-xdist   in two processes beside each other: most of the time one waits
test   python3-psycopg        psycopg 3, under test as a client
test   python3-psycopg2       psycopg 2, under test as a client
test   python3-asyncpg        asyncpg, under test as a client
test   python3-sqlalchemy     its pool of connections, under test as a client
test   nodejs                 node, whose drivers npm brings
test   default-jdk-headless   compiles and runs pgjdbc's tests
test   libpostgresql-jdbc-java pgjdbc, under test as a client
test   redis-server           a server behind a raw TCP target, with redis-cli and redis-benchmark
test   sqlsmith               random statements
test   clang-format-19        one style, checked
test   clang-tidy-19          mistakes that compilers do not see
fuzz   clang-19               libFuzzer
fuzz   libclang-rt-19-dev     libFuzzer's and the sanitizers' run time
bench  postgresql-15          the server behind every contender; pgbench
bench  postgresql-client-15   psql
bench  python3-psycopg        reads the trail back
bench  pgbouncer              contender
bench  haproxy                contender
bench  nginx-core             contender
bench  libnginx-mod-stream    contender: TCP by nginx
format clang-format-19        one style
package debhelper             packaging/debian
package dpkg-dev              dpkg-buildpackage
package fakeroot              files that belong to root
package lintian               what Debian thinks of the package
kernel qemu-system-x86        boots Debian's kernel, for what the one at hand cannot do
kernel g++                    init.c, with libc's static library
kernel python3-pytest         tests/e2e/tls/test_kernel_tls.py in it
image  debootstrap            a fresh Debian to install the package in
image  systemd-container      boots it
image  curl                   as in it
LIST
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null 2>&1; then sudo "$@"
  else die "packages are missing and this is neither root nor a machine with sudo" "as root: $*"; fi
}

missing_packages() {
  wanted=$(for group in "$@"; do packages | awk -v g="$group" '$1 == g { print $2 }'; done | sort -u)
  [ "$(dpkg --print-architecture)" = amd64 ] || wanted=$(printf '%s\n' "$wanted" | grep -vx libipsec-mb-dev)
  # dpkg-query complains about what it never heard of; that is an answer too.
  # shellcheck disable=SC2086
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' $wanted 2>/dev/null |
    awk '$2 == "installed" { print $1 }')
  for package in $wanted; do
    case "
$installed
" in *"
$package
"*) ;; *) printf '%s ' "$package" ;; esac
  done
}

apt_install() {
  mkdir -p "$build"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -qq -o Dpkg::Use-Pty=0 "$@" \
    >"$build/apt.log" 2>&1 && return 0
  tail -n 15 "$build/apt.log" >&2
  die "apt-get could not install: $*" "all of what it said is in build/apt.log; mend it and run this command again"
}

# Installs what the named groups lack. Nothing that gets installed is started: no `main` cluster of PostgreSQL, no
# pgbouncer or haproxy service. Both switches that see to it are taken back afterwards.
need() {
  command -v dpkg-query >/dev/null 2>&1 || {
    say "dev: not a Debian system; install these yourself: $(for g in "$@"; do packages | awk -v g="$g" '$1 == g { print $2 }'; done | sort -u | tr '\n' ' ')"
    return 0
  }
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  step "installing Debian packages: $missing"
  as_root apt-get update -qq >&2 || die "apt-get update failed" "is the network there, and /etc/apt/sources.list right?"
  policy=
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  no_main=
  case " $missing" in *" postgresql-15 "*)
    dpkg-query -W postgresql-common >/dev/null 2>&1 || apt_install postgresql-common
    no_main=/etc/postgresql-common/createcluster.d/ringfence-no-main.conf
    as_root mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' | as_root tee "$no_main" >/dev/null
  esac
  # shellcheck disable=SC2064
  trap "as_root rm -f $policy $no_main" EXIT
  # shellcheck disable=SC2086
  apt_install $missing
  [ -z "$policy$no_main" ] || as_root rm -f $policy $no_main
  trap - EXIT
}
