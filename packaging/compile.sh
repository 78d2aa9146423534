#!/bin/sh
# Compiles the stripped daemon: packaging/compile.sh GOARCH OUTPUT VERSION [TAG...]
# Every package and "make size" use it, so that they build the same.
set -eu
arch=$1 output=$2 version=$3
shift 3
tags=nethttpomithttp2
for t in "$@"; do tags="$tags,$t"; done
set --
# Flash is scarcest on mips, whose code is the largest. What is not in a hot
# path is not inlined there: 0.9 MB. Runtime, mathematics and ciphers are.
case $arch in mips*)
	for p in luatnetd/... github.com/... net net/http/... encoding/... crypto/tls crypto/x509/... reflect regexp/... fmt text/...; do
		set -- "$@" "-gcflags=$p=-l"
	done ;;
esac
CGO_ENABLED=0 GOOS=linux GOARCH=$arch GOARM=7 GOMIPS=softfloat go build -trimpath -tags "$tags" "$@" \
	-ldflags "-s -w -X main.version=$version" -o "$output" ./cmd/luatnetd
