#!/bin/sh
# Compiles the stripped daemon: packaging/compile.sh GOARCH OUTPUT VERSION [TAG...]
# Every package and "make size" use it, so that they build the same.
set -eu
arch=$1 output=$2 version=$3
shift 3
tags=nethttpomithttp2
for t in "$@"; do tags="$tags,$t"; done
set --
link="-s -w -X main.version=$version"
# What is not in a hot path is not inlined: 0.8 MB (docs/adr/0010). The last
# pattern that names a package counts.
case $arch in
mips*)
	# Flash is scarcest here, and the code is the largest: all but runtime,
	# mathematics, ciphers, hashes and the work on bytes beneath everything.
	set -- -gcflags=all=-l
	for p in runtime/... internal/... math/... crypto/internal/... crypto/subtle vendor/golang.org/x/crypto/... hash/... \
		bytes strings strconv sync/... unicode/utf8 syscall sort; do
		set -- "$@" "-gcflags=$p="
	done ;;
*)
	for p in luatnetd/... github.com/... net net/http/... crypto/tls crypto/x509/... reflect regexp/... fmt text/...; do
		set -- "$@" "-gcflags=$p=-l"
	done
	# The path of a message and of a name.
	for p in luatnetd/client/... luatnetd/router/dns/...; do
		set -- "$@" "-gcflags=$p="
	done ;;
esac
# The linker pads every function to 32 bytes on amd64; 16 are 0.15 MB less.
case $arch in amd64) link="$link -funcalign=16" ;; esac
CGO_ENABLED=0 GOOS=linux GOARCH=$arch GOARM=7 GOMIPS=softfloat go build -trimpath -tags "$tags" "$@" \
	-ldflags "$link" -o "$output" ./cmd/luatnetd
