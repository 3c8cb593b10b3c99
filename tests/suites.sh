# shellcheck shell=sh
# ./dev test: what the suites of the gate build and run.
# Sourced by ./dev, which says where things are ($root, $build) and how to say something (say, step, die).
# shellcheck disable=SC2034,SC2154  # help_* are used by name; variables are dev's.

export_sanitizer_options() {
  export ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1:check_initialization_order=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
  export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
  export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1${TSAN_OPTIONS:+:$TSAN_OPTIONS}"
}

failed() { suites_failed="$suites_failed $1"; }

# Each suite leaves its result in build/test/<name>.{json,xml}; tests/report.py adds them up.
# meson_tests SUITE DIR RUNNER ARGUMENT...: RUNNER runs tests of a build directory; arguments are meson's.
meson_tests() {
  log=$1 dir=$build/$2 runner=$3
  shift 3
  rm -f "$dir"/meson-logs/testlog*.json
  "$runner" meson test -C "$dir" --no-rebuild --num-processes "$jobs" --print-errorlogs "$@" >&2 || failed "$log"
  cp "$dir/meson-logs/testlog.json" "$build/test/$log.json" 2>/dev/null || :
}
directly() { "$@"; }
# TSan wants its shadow where the kernel puts things when it randomises little.
unrandomised() {
  if setarch "$(uname -m)" -R true 2>/dev/null; then setarch "$(uname -m)" -R "$@"; else "$@"; fi
}

# sanitized DIR SANITIZERS: a build directory for them. In CI, where nothing was compiled before and nothing will be
# changed, eight sources are compiled as one: that takes six tenths of the CPU. Elsewhere a change compiles one.
sanitized() {
  unity=
  [ -z "${CI:-}" ] || unity='-Dunity=on -Dunity_size=8'
  # -g1 is enough for stack traces and compiles faster.
  # shellcheck disable=SC2086
  configure "$1" gcc --buildtype=plain -Doptimization=1 -Dcpp_args=-g1 "-Db_sanitize=$2" -Dbenchmarks=false $unity
}
build_asan() {
  sanitized asan address,undefined
  step "building the tests with ASan and UBSan"
  compile asan
}
build_tsan() {
  sanitized tsan thread
  targets=$(targets_tagged tsan tsan)
  [ -n "$targets" ] || die "no tests are tagged tsan" "tests/unit says which are"
  step "building the tests and the program with TSan"
  # shellcheck disable=SC2086
  compile tsan $targets src/app/ringfence
}

suite_asan() {  # The tests under address and undefined-behaviour sanitizers; arguments are meson's.
  build_asan
  step "running the tests with ASan and UBSan"
  meson_tests asan asan directly "$@"
}
suite_tsan() {  # What crosses threads, under the thread sanitizer.
  build_tsan
  step "running the tests with TSan"
  meson_tests tsan tsan unrandomised --suite tsan --timeout-multiplier 3
  step "running the program with TSan"
  rm -f "$build/test/tsan-e2e.xml"
  (cd "$root/tests/e2e" && export RINGFENCE_BINARY="$build/tsan/src/app/ringfence" &&
    unrandomised "$python" -B -m pytest -p no:cacheprovider -q -ra -m tsan --junitxml="$build/test/tsan-e2e.xml" \
      service/test_threads.py >&2) || failed tsan-e2e
}
suite_allocations() {  # What counts allocations: it replaces the allocator, as sanitizers do, so it runs without them.
  build_release
  targets=$(targets_tagged release unsanitized)
  [ -n "$targets" ] || die "no tests are tagged unsanitized" "tests/unit says which are"
  step "building the tests that count allocations"
  # shellcheck disable=SC2086
  compile release $targets
  step "running the tests that count allocations"
  meson_tests allocations release directly --suite unsanitized
}
suite_complete() {  # After the others, of the gate: each test program was built and run in one of them.
  step "checking that every test program has run"
  if "$python" -B "$root/tests/gate/gate_test.py" "$root" "$build" >&2; then result=OK; else result=FAIL; failed gate; fi
  echo "{\"name\": \"gate\", \"result\": \"$result\"}" >"$build/test/gate.json"
}
suite_layers() {  # What needs no compiler, by itself; the gate runs it with the others.
  step "checking the layers and the style"
  for name in layers style; do
    if "$python" -B "$root/tests/$name/${name}_test.py" "$root" >&2; then result=OK; else result=FAIL; failed "$name"; fi
    echo "{\"name\": \"$name\", \"result\": \"$result\"}" >>"$build/test/layers.json"
  done
}
analyse() {  # What clang-tidy finds beyond what is listed; sources that have not changed are not analysed again.
  sanitized asan address,undefined
  step "analysing the sources with clang-tidy"
  RINGFENCE_TIDY_CACHE="${RINGFENCE_TIDY_CACHE:-$build/tidy}" \
    "$python" -B "$root/tests/tidy/tidy_test.py" "$root" "$build/asan" >&2
}
suite_tidy() {
  if analyse; then result=OK; else result=FAIL; failed tidy; fi
  echo "{\"name\": \"tidy\", \"result\": \"$result\"}" >"$build/test/tidy.json"
}
suite_e2e() {  # Real clients against the optimised build; arguments are pytest's.
  build_release
  step "running the end-to-end tests"
  rm -f "$build/test/e2e.xml"
  (cd "$root/tests/e2e" && "$python" -B -m pytest -p no:cacheprovider -q -ra -n 2 --dist loadgroup \
    --junitxml="$build/test/e2e.xml" "$@" >&2) || failed e2e
}

suite_package() {  # The Debian package in a Debian that is booted for it.
  need package image
  first=$(cmd_package) || { failed package; return 0; }
  second=$(cmd_package --version "$(sed -n '1s/.*(\(.*\)).*/\1/p' "$root/packaging/debian/changelog")+next") || { failed package; return 0; }
  step "installing the package in a fresh Debian"
  rm -f "$build/test/package.xml"
  as_root "$python" -B "$root/tests/package/run.py" "$build/image" "$first" "$second" "$build/test/package.xml" >&2 ||
    failed package
}

suite_kernel_tls() {  # TLS by the kernel, in a virtual machine whose kernel has it.
  need kernel
  build_release
  sanitized asan address,undefined
  compile asan tests/unit/net/test_net
  step "booting a kernel that has TLS"
  rm -f "$build"/test/kernel-tls-*.xml
  if ! "$python" -B "$root/tests/kernel/run.py" "$build/kernel" "$build/asan/tests/unit/net/test_net" \
    "$build/release/src/app/ringfence" "$build/test" >&2; then
    failed kernel-tls
  fi
}

# ---- Beside the end-to-end tests, which leave the processors idle for most of their time, what comes after them is
# compiled and analysed. It gets what they leave. What it prints is shown when it is waited for.
begin_beside() {
  if chrt --idle 0 true 2>/dev/null; then idle='chrt --idle 0'; else idle='nice -n 19'; fi
  # shellcheck disable=SC2086
  RINGFENCE_STEPS="$build/test/beside.steps" setsid $idle "$root/dev" build gate >"$build/test/beside.log" 2>&1 </dev/null &
  beside=$!
}
build_beside() {
  # It is a session of its own, whose share of the processors is set by this (sched(7), autogroups): SCHED_IDLE counts
  # within a session. Where the kernel has no autogroups SCHED_IDLE is enough.
  { echo 19 >/proc/self/autogroup; } 2>/dev/null || :
  # Whoever has begun this may end in any way: then this ends too, with all that it has started.
  (while kill -0 "$PPID" 2>/dev/null; do sleep 2; done; kill -TERM "-$$") &
  watch=$!
  trap 'kill "$watch" 2>/dev/null || :' EXIT
  build_asan
  build_tsan
  : >"$build/test/beside.built"
  analyse || :  # The suite says so, from what is kept.
  [ -z "$steps" ] || echo "$(date +%s) over" >>"$steps"
}
is_running() { { read -r _ _ state _ <"/proc/$1/stat"; } 2>/dev/null && [ "$state" != Z ]; }
join_builds() {
  step "waiting for what is compiled beside"
  while [ ! -e "$build/test/beside.built" ] && is_running "$beside"; do sleep 1; done
  cat "$build/test/beside.log" >&2
  [ -e "$build/test/beside.built" ] || die "the build failed; the first error is above"
}
join_beside() {
  step "waiting for what is analysed beside"
  wait "$beside" || :
}
# suite_gate PYTEST-ARGUMENT...: all but `package` and `kernel-tls`.
suite_gate() {
  build_release
  begin_beside
  suite_e2e "$@"
  join_builds
  suite_asan
  suite_tsan
  suite_allocations
  suite_complete
  join_beside
  suite_tidy
}

# shellcheck disable=SC2016  # The marks around names are text.
help_test='usage: ./dev test [all | unit | corpus | layers | tsan | allocations | tidy | e2e | long | package | kernel-tls ...] [-- pytest arguments]
Without arguments the gate: the optimised build, the end-to-end tests, unit, session and corpus tests under ASan and
UBSan, layers and style, what crosses threads under TSan, what counts allocations, whether every test program has run
in one of these, and what clang-tidy finds. While the end-to-end tests run, the others are compiled. `all` adds the long end-to-end tests and `package`,
which boots a fresh Debian by systemd-nspawn and installs, runs, upgrades and purges the package in it (as root), and
`kernel-tls`, which boots a kernel that has TLS in a virtual machine and tests there what needs it.
The end says how long each step took. The last line is "N passed, N failed"; the exit code is not zero when one failed.'
cmd_test() {
  suites_failed=
  wanted=
  while [ $# -gt 0 ]; do
    case $1 in
      --) shift; break ;;
      all | unit | corpus | layers | tsan | allocations | tidy | e2e | long | package | kernel-tls) wanted="$wanted $1" ;;
      *) die "test does not know the suite $1" "$help_test" ;;
    esac
    shift
  done
  [ -n "$wanted" ] || wanted=gate
  need build test
  rm -rf "$build/test"
  mkdir -p "$build/test"
  steps=$build/test/test.steps
  began=$(date +%s)
  export_sanitizer_options
  for suite in $wanted; do
    case $suite in
      gate) suite_gate -m 'not long and not tsan' "$@" ;;
      all) suite_gate -m 'not tsan' "$@"; suite_package; suite_kernel_tls ;;
      unit) suite_asan --no-suite corpus --no-suite layers ;;
      corpus) suite_asan --suite corpus ;;
      layers) suite_layers ;;
      tsan) suite_tsan ;;
      allocations) suite_allocations ;;
      tidy) suite_tidy ;;
      e2e) suite_e2e -m 'not long and not tsan' "$@" ;;
      long) suite_e2e -m long "$@" ;;
      package) suite_package ;;
      kernel-tls) suite_kernel_tls ;;
    esac
  done
  say ""
  say "$(($(date +%s) - began)) seconds${suites_failed:+; failed:$suites_failed}"
  status=0
  [ -z "$suites_failed" ] || status=1
  "$python" "$root/tests/report.py" summary "$build/test" || status=1
  return $status
}
