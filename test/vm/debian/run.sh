#!/bin/bash
# Builds the Debian package twice, the second one newer, and runs install.sh in
# a throw-away Debian. Where this machine cannot, it says why, and the last
# line of "make test" counts it (bin/not-run).
set -uo pipefail
cd "$(dirname "$0")/../../.."
w=$(mktemp -d "${TMPDIR:-/tmp}/debian.XXXXXX"); trap 'rm -rf "$w"' EXIT
mkdir -p bin; touch bin/not-run; sed -i '/Debian package/d' bin/not-run

not_run() {
  echo "the Debian package was not installed: $1" >&2
  echo "; not run: the Debian package: $1" >>bin/not-run
  exit 0
}
[ "$(id -u)" = 0 ] || not_run "needs root"
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || not_run "needs Debian on amd64"

packaging/build.sh -o "$w/1" "${1:-dev}" deb:amd64 >/dev/null && packaging/build.sh -o "$w/2" 99.0.0 deb:amd64 >/dev/null || exit 1
mv "$w"/1/*.deb "$w/old.deb"; mv "$w"/2/*.deb "$w/new.deb"
test/vm/nspawn.sh -t 420 test/vm/debian/install.sh test/vm/debian/{world,lease}.sh "$w/old.deb" "$w/new.deb" 2> >(tee "$w/err" >&2)
rc=$?
[ $rc != 125 ] || not_run "$(tail -1 "$w/err")"
exit $rc
