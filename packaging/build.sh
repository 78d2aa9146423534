#!/bin/sh
# Builds packages: packaging/build.sh [-o DIR] VERSION [FORMAT:ARCH...]
# into DIR (dist), by default .deb, .ipk and .apk for the usual boards. VERSION
# is what "git describe" says, see version.sh.
set -eu
cd "$(dirname "$0")/.."
out=dist
if [ "${1-}" = -o ]; then out=$2; shift 2; fi
said=${1:-0.0.0}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- deb:amd64 deb:arm64 ipk:mipsel_24kc apk:mipsel_24kc ipk:aarch64_cortex-a53 apk:aarch64_cortex-a53
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
mtime=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
rm -rf "$out" && mkdir -p "$out/stage"
# What an OpenWrt image expects of an apk, see default_postinst.
printf '/usr/sbin/luatnetd\n/etc/init.d/luatnetd\n/etc/luatnetd/luatnetd.toml\n/etc/sysctl.d/60-luatnetd.conf\n/lib/upgrade/keep.d/luatnetd\n' > "$out/stage/luatnetd.list"
printf '/etc/luatnetd/luatnetd.toml\n' > "$out/stage/luatnetd.conffiles"

goarch() { # ARCH
	case $1 in
	amd64 | x86_64) echo amd64 ;;
	arm64 | aarch64_*) echo arm64 ;;
	mipsel_*) echo mipsle ;;
	*) echo "architecture $1: want amd64, x86_64, arm64, aarch64_* or mipsel_*" >&2; return 1 ;;
	esac
}

version=$(packaging/version.sh deb "$said")
printf 'luatnetd (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- the luatnetd authors <maintainers@luatnetd.invalid>  %s\n' \
	"$version" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n > "$out/stage/changelog.gz"

binary() { # GOARCH TAG
	[ -e "$out/stage/luatnetd-$1$2" ] || packaging/compile.sh "$1" "$out/stage/luatnetd-$1$2" "$version" $2
}

package() { # FORMAT ARCH
	go=$(goarch "$2")
	tag=
	[ "$1" != deb ] || tag=luatnetd_dtls # 1 MB that a router's flash does not have
	binary "$go" "$tag"
	v=$(packaging/version.sh "$1" "$said")
	file=$out/luatnetd_${v}_$2.$1
	template=packaging/nfpm-openwrt-$1.yaml
	[ "$1" != deb ] || template=packaging/nfpm-deb.yaml
	sed -e "s|@VERSION@|$v|g" -e "s|@ARCH@|$2|g" -e "s|@BINARY@|$out/stage/luatnetd-$go$tag|g" \
		-e "s|@MTIME@|$mtime|g" -e "s|@WORK@|$out/stage|g" "$template" > "$out/stage/$1-$2.yaml"
	go tool -modfile=internal/tools/go.mod nfpm package --config "$out/stage/$1-$2.yaml" --packager "$1" --target "$file" >/dev/null
	echo "$file"
}

for p in "$@"; do package "${p%%:*}" "${p#*:}"; done
rm -rf "$out/stage"
