# shellcheck shell=sh
# Build directories, and the optimised program.
# Sourced by ./dev, which says where things are ($root, $build) and how to say something (say, step, die).
# shellcheck disable=SC2034,SC2154  # help_* are used by name; variables are dev's.

# configure DIR COMPILER-SET OPTION...: a build directory with exactly these options; anew when they changed.
configure() {
  dir=$build/$1 compilers=$2
  shift 2
  wanted="$compilers $*"
  if [ -f "$dir/build.ninja" ] && [ "$(cat "$dir/.dev-options" 2>/dev/null)" = "$wanted" ]; then return 0; fi
  case $compilers in
    gcc) CC=gcc CXX=g++ ;;
    clang) CC=clang-19 CXX=clang++-19 ;;
  esac
  linker=
  if command -v ld.mold >/dev/null 2>&1; then linker=mold; fi
  if command -v ccache >/dev/null 2>&1; then CC="ccache $CC" CXX="ccache $CXX"; fi
  step "configuring build/${dir##*/}"
  mkdir -p "$build"
  rm -rf "$dir"  # Other options, or a first try that failed; ccache remembers what was compiled.
  if ! env CC="$CC" CXX="$CXX" ${linker:+CC_LD=$linker CXX_LD=$linker} \
    meson setup "$dir" "$root" "$@" >"$build/configure-${dir##*/}.log" 2>&1; then
    tail -n 15 "$build/configure-${dir##*/}.log" >&2
    die "meson could not configure build/${dir##*/}" "the whole story: build/configure-${dir##*/}.log and build/${dir##*/}/meson-logs/meson-log.txt"
  fi
  printf '%s\n' "$wanted" >"$dir/.dev-options"
}

# targets_tagged DIR TAG: what ninja has to build for the tests with this tag, as meson.build files are now.
targets_tagged() {
  ninja -C "$build/$1" build.ninja >"$build/configure-$1.log" 2>&1 ||
    die "meson could not configure build/$1 anew" "the whole story: build/configure-$1.log"
  "$python" "$root/tests/report.py" targets "$build/$1" "$2"
}

# compile DIR TARGET...: on a terminal ninja's own progress, elsewhere a line for every tenth.
compile() {
  dir=$build/$1
  shift
  if [ -t 2 ]; then
    ninja -C "$dir" -j "$jobs" "$@" >&2 || die "the build failed; the first error is above"
    return 0
  fi
  need build
  status=$dir/.dev-status
  { ninja -C "$dir" -j "$jobs" "$@" 2>&1 && echo 0 >"$status" || echo 1 >"$status"; } |
    "$python" "$root/tests/report.py" progress >&2
  [ "$(cat "$status")" = 0 ] || die "the build failed; the first error is above"
}

build_release() {
  # Tests are part of the directory, for the suite `allocations`; none is compiled here. In CI, where nothing was
  # compiled before, eight sources are compiled as one: that takes six tenths of the CPU.
  unity=
  [ -z "${CI:-}" ] || unity='-Dunity=on -Dunity_size=8'
  # shellcheck disable=SC2086
  configure release gcc --buildtype=release $unity
  step "building build/release/ringfence"
  compile release src/app/ringfence
  # Where the program is found, whatever folder it is built in.
  [ -x "$build/release/src/app/ringfence" ] ||
    die "build/release/src/app/ringfence was not built" "src/app/meson.build must define the executable 'ringfence'"
  ln -sfn src/app/ringfence "$build/release/ringfence"
}

help_build='usage: ./dev build [gate]
Builds the optimised program: build/release/ringfence. Installs the Debian packages that are missing.
`gate`: instead what ./dev test builds and analyses beside its end-to-end tests.'
cmd_build() {
  if [ "${1:-}" = gate ]; then
    need build test
    mkdir -p "$build/test"
    build_beside
    return 0
  fi
  need build
  build_release
  say "build/release/ringfence: $("$build/release/ringfence" version 2>/dev/null | head -n 1)"
}
