# shellcheck shell=sh
# ./dev bench: the benchmarks.
# Sourced by ./dev, which says where things are ($root, $build) and how to say something (say, step, die).
# shellcheck disable=SC2034,SC2154  # help_* are used by name; variables are dev's.

help_bench='usage: ./dev bench [name...] [-- arguments]
Builds the optimised program and runs bench/bench_<name>.py (all without a name). Results also go to
build/bench/<name>.jsonl. bench/README.md says how to read them. For a first impression: ./dev bench pg -- --quick'
benchmarks() {
  for file in "$root"/bench/bench_*.py; do
    file=${file##*/bench_}
    printf '%s ' "${file%.py}"
  done
}
cmd_bench() {
  names=
  while [ $# -gt 0 ]; do
    case $1 in
      --) shift; break ;;
      -*) break ;;
      *) [ -f "$root/bench/bench_$1.py" ] || die "no benchmark $1" "there are: $(benchmarks)"
        names="$names $1" ;;
    esac
    shift
  done
  [ -n "$names" ] || names=$(benchmarks)
  need build bench
  build_release
  # What the benchmarks measure with, beside the appliance.
  compile release bench/load bench/relay bench/tls_load bench/audit_rows bench/trail_fill bench/policy_decisions
  mkdir -p "$build/bench"
  for name in $names; do
    step "benchmark $name"
    "$python" -B "$root/bench/bench_$name.py" "$@"
  done
}
