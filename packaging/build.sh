#!/bin/sh
# Builds the packages into dist/: .deb (amd64, arm64), .ipk and .apk
# (mipsel_24kc, aarch64_cortex-a53). Usage: packaging/build.sh VERSION
set -eu
cd "$(dirname "$0")/.."
version=${1:-0.0.0}
# Package managers want a number first; a bare commit becomes 0.0.0~git….
case $version in v[0-9]*) version=${version#v} ;; [0-9]*.[0-9]*) ;; *) version="0.0.0~git.$version" ;; esac
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
mtime=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
out=dist
rm -rf "$out" && mkdir -p "$out/stage"
go build -modfile=internal/tools/go.mod -o "$out/stage/nfpm" github.com/goreleaser/nfpm/v2/cmd/nfpm
printf 'luatnetd (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- the luatnetd authors <maintainers@luatnetd.invalid>  %s\n' \
	"$version" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n > "$out/stage/changelog.gz"

binary() { # GOARCH
	CGO_ENABLED=0 GOOS=linux GOARCH=$1 GOMIPS=softfloat go build -trimpath -tags nethttpomithttp2 \
		-ldflags "-s -w -X main.version=$version" -o "$out/stage/luatnetd-$1" ./cmd/luatnetd
}

# package FORMAT GOARCH ARCH
package() {
	sed -e "s|@VERSION@|$version|g" -e "s|@ARCH@|$3|g" -e "s|@BINARY@|$out/stage/luatnetd-$2|g" \
		-e "s|@MTIME@|$mtime|g" -e "s|@WORK@|$out/stage|g" "packaging/nfpm-$1.yaml" > "$out/stage/$1-$3.yaml"
	"$out/stage/nfpm" package --config "$out/stage/$1-$3.yaml" --packager "${1#openwrt-}" --target "$out/luatnetd_${version}_$3.${1#openwrt-}" >/dev/null
	echo "$out/luatnetd_${version}_$3.${1#openwrt-}"
}

for a in amd64 arm64 mipsle; do binary "$a"; done
# What an OpenWrt image expects of an apk, see default_postinst.
printf '/usr/sbin/luatnetd\n/etc/init.d/luatnetd\n/etc/luatnetd/luatnetd.toml\n/etc/sysctl.d/60-luatnetd.conf\n' > "$out/stage/luatnetd.list"
printf '/etc/luatnetd/luatnetd.toml\n' > "$out/stage/luatnetd.conffiles"
package deb amd64 amd64
package deb arm64 arm64
for f in ipk apk; do
	package "openwrt-$f" mipsle mipsel_24kc
	package "openwrt-$f" arm64 aarch64_cortex-a53
done
rm -rf "$out/stage"
