# shellcheck shell=sh
# ./dev package: the Debian package.
# Sourced by ./dev, which says where things are ($root, $build) and how to say something (say, step, die).
# shellcheck disable=SC2034,SC2154  # help_* are used by name; variables are dev's.

help_package='usage: ./dev package [--version VERSION]
Builds the Debian package from packaging/debian with dpkg-buildpackage, without network, and shows it to lintian.
It is build/package/ringfence_VERSION_amd64.deb. VERSION is that of packaging/debian/changelog unless given.'
cmd_package() {
  version=
  while [ $# -gt 0 ]; do
    case $1 in
      --version) version=${2:?"$help_package"}; shift ;;
      *) die "package does not know $1" "$help_package" ;;
    esac
    shift
  done
  need build package
  # Always the same place: what the compiler is told is then the same too, and ccache knows it.
  source=$build/package/source
  rm -rf "$source"
  mkdir -p "$source"
  (cd "$root" && tar -cf - --exclude=__pycache__ meson.build meson_options.txt include src packaging systemd docs) |
    tar -xf - -C "$source"
  mv "$source/packaging/debian" "$source/debian"
  changed=$(sed -n '1s/.*(\(.*\)).*/\1/p' "$source/debian/changelog")
  project=$(sed -n "s/^  version: '\(.*\)',/\1/p" "$root/meson.build")
  [ "$changed" = "$project" ] || die "packaging/debian/changelog says $changed, meson.build $project"
  if [ -n "$version" ]; then
    {
      printf 'ringfence (%s) bookworm; urgency=medium\n\n  * Built with this version by hand.\n\n' "$version"
      # A second after the entry before: an entry's date is its build's, and no two have the same.
      last=$(sed -n '/^ -- /{s/.*>  //p;q}' "$source/debian/changelog")
      printf '%s  %s\n\n' "$(sed -n '/^ -- /{s/>  .*/>/p;q}' "$source/debian/changelog")" \
        "$(LC_ALL=C date -u -R -d "$last + 1 second")"
    } | cat - "$source/debian/changelog" >"$source/debian/changelog.new"
    mv "$source/debian/changelog.new" "$source/debian/changelog"
  fi
  version=${version:-$changed}
  rm -f "$build/package/ringfence"*"_${version}_"*
  step "building the package ringfence $version"
  CC=gcc CXX=g++
  if command -v ccache >/dev/null 2>&1; then
    CC="ccache gcc" CXX="ccache g++"
    # debhelper gives every build a home of its own.
    CCACHE_DIR=$(ccache --get-config cache_dir)
    export CCACHE_DIR
  fi
  if ! (cd "$source" && env CC="$CC" CXX="$CXX" DEB_BUILD_OPTIONS="parallel=$jobs nocheck" \
    dpkg-buildpackage -b -us -uc >"$build/package/build.log" 2>&1); then
    tail -n 25 "$build/package/build.log" >&2
    die "the package could not be built" "the whole story: build/package/build.log"
  fi
  step "lintian"
  lintian --fail-on error,warning --info --tag-display-limit 0 --allow-root \
    "$build/package/ringfence_${version}_$(dpkg --print-architecture).changes" >&2 || die "lintian found something"
  echo "$build/package/ringfence_${version}_$(dpkg --print-architecture).deb"
}
