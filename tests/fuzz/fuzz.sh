# shellcheck shell=sh
# ./dev fuzz: libFuzzer's programs.
# Sourced by ./dev, which says where things are ($root, $build) and how to say something (say, step, die).
# shellcheck disable=SC2034,SC2154  # help_* are used by name; variables are dev's.

help_fuzz='usage: ./dev fuzz [target] [seconds]
Runs one fuzz target, or all of them one after another, for so many seconds each (60). Built with clang 19,
libFuzzer, ASan and UBSan in build/fuzz; what is found grows in build/fuzz/corpus, seeds are in tests/fuzz.'
cmd_fuzz() {
  target='' seconds=60
  for argument in "$@"; do
    case $argument in
      *[!0-9]*) target=${argument#fuzz_} ;;
      *) seconds=$argument ;;
    esac
  done
  need build fuzz
  configure fuzz clang --buildtype=plain -Doptimization=1 -Dcpp_args=-g1 -Dfuzz_engine=libfuzzer -Db_sanitize=address,undefined \
    -Db_lundef=false -Dwerror=false -Dbenchmarks=false
  known=$("$python" "$root/tests/report.py" fuzz-targets "$build/fuzz")
  programs=
  for line in $known; do
    name=${line%%=*}
    if [ -z "$target" ] || [ "$target" = "$name" ]; then programs="$programs $line"; fi
  done
  [ -n "$programs" ] || die "no fuzz target $target" "there are: $(for l in $known; do printf '%s ' "${l%%=*}"; done)"
  step "building the fuzzers"
  # shellcheck disable=SC2046
  compile fuzz $(for l in $programs; do echo "${l#*=}"; done)
  export_sanitizer_options
  bad=0
  for line in $programs; do
    name=${line%%=*} program=$build/fuzz/${line#*=}
    found=$build/fuzz/corpus/$name artifacts=$build/fuzz/findings/$name/
    mkdir -p "$found" "$artifacts"
    seeds=$(echo "$root"/tests/fuzz/*/corpus_"$name")
    [ -d "$seeds" ] || die "fuzz target $name has no seeds" "they belong into the folder corpus_$name beside fuzz_$name.cc"
    dictionary=${seeds%/*}/$name.dict
    [ -f "$dictionary" ] || dictionary=
    step "fuzzing $name for $seconds seconds"
    "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 -verbosity=1 \
      -artifact_prefix="$artifacts" ${dictionary:+-dict="$dictionary"} "$found" "$seeds" \
      >"$build/fuzz/$name.log" 2>&1 &
    fuzzer=$!
    trap 'kill $fuzzer 2>/dev/null' INT TERM
    if wait $fuzzer; then
      say "$name: clean, $(awk '/stat::number_of_executed_units/ { print $2 }' "$build/fuzz/$name.log") executions"
    else
      bad=$((bad + 1))
      tail -n 40 "$build/fuzz/$name.log" >&2
      say "$name: FAILED; the input is in $artifacts, the log is build/fuzz/$name.log"
    fi
  done
  [ $bad -eq 0 ] || die "$bad fuzz target(s) found something"
}
