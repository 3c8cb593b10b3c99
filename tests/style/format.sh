# shellcheck shell=sh
# ./dev format: the one style.
# Sourced by ./dev, which says where things are ($root, $build) and how to say something (say, step, die).
# shellcheck disable=SC2034,SC2154  # help_* are used by name; variables are dev's.

help_format='usage: ./dev format
Formats the C++ sources in src, include, tests and bench with clang-format 19.'
cmd_format() {
  need format
  (cd "$root" && find src include tests bench \( -name '*.cc' -o -name '*.h' \) -print0 | xargs -0 -r clang-format-19 -i)
}
