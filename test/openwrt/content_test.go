package openwrt

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// files are those of both formats: mode, owner and path.
var files = []string{
	"-rwxr-xr-x 0/0 etc/init.d/luatnetd",
	"-rw------- 0/0 etc/luatnetd/luatnetd.toml", // passwords may come into it
	"-rw-r--r-- 0/0 etc/sysctl.d/60-luatnetd.conf",
	"-rw-r--r-- 0/0 lib/upgrade/keep.d/luatnetd",
	"-rwxr-xr-x 0/0 usr/sbin/luatnetd",
}

// sizeLimit of a package: it must fit into the overlay of a 16 MB flash beside
// everything else.
const sizeLimit = 5 << 20

// list turns tar's listing into lines like those of files.
func list(listing string) (all []string) {
	for line := range strings.Lines(listing) {
		f := strings.Fields(line) // mode owner size date time path
		if len(f) == 6 && !strings.HasPrefix(f[0], "d") {
			all = append(all, f[0]+" "+f[1]+" "+strings.TrimPrefix(f[5], "./"))
		}
	}
	slices.Sort(all)
	return all
}

func wantLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func wantFields(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains("\n"+text, "\n"+w+"\n") {
			t.Errorf("no line %q in:\n%s", w, text)
		}
	}
}

func smallEnough(t *testing.T, path string) {
	t.Helper()
	fi, err := os.Stat(path)
	mustNil(t, err)
	t.Logf("%s has %d bytes", filepath.Base(path), fi.Size())
	if fi.Size() > sizeLimit {
		t.Errorf("%s has %d bytes, at most %d fit", path, fi.Size(), sizeLimit)
	}
}

// An .ipk is a gzip'd tar of three members; opkg reads debian-binary first.
func TestIPKContent(t *testing.T) {
	ipk := file(t, "ipk")
	if got := sh(t, `tar -tzf "$1"`, ipk); got != "./debian-binary\n./control.tar.gz\n./data.tar.gz\n" {
		t.Errorf("members:\n%s", got)
	}
	if got := sh(t, `tar -xzOf "$1" ./debian-binary`, ipk); got != "2.0\n" {
		t.Errorf("debian-binary is %q", got)
	}
	wantLines(t, "control", list(sh(t, `tar -xzOf "$1" ./control.tar.gz | tar --numeric-owner -tvz`, ipk)),
		[]string{"-rw-r--r-- 0/0 control", "-rw-r--r-- 0/0 conffiles", "-rwxr-xr-x 0/0 postinst", "-rwxr-xr-x 0/0 prerm"})
	wantLines(t, "files", list(sh(t, `tar -xzOf "$1" ./data.tar.gz | tar --numeric-owner -tvz`, ipk)), slices.Clone(files))
	member := func(name string) string { return sh(t, `tar -xzOf "$1" ./control.tar.gz | tar -xzO "$2"`, ipk, name) }
	wantFields(t, member("./control"), "Package: luatnetd", "Architecture: "+arch, "Depends: kmod-nft-nat, kmod-nft-core, kmod-nft-fib")
	if got := member("./conffiles"); got != "/etc/luatnetd/luatnetd.toml\n" {
		t.Errorf("conffiles: %q", got)
	}
	smallEnough(t, ipk)
}

// An .apk (format 2) is two gzip streams: the first tar has no end, so that
// both together are one; .PKGINFO has the hash of the second.
func TestAPKContent(t *testing.T) {
	apk := file(t, "apk")
	wantLines(t, "files", list(sh(t, `tar --numeric-owner -tvzf "$1" 2>/dev/null`, apk)), slices.Concat(files, []string{
		"-rw------- 0/0 .PKGINFO", "-rwxr-xr-x 0/0 .post-install", "-rwxr-xr-x 0/0 .post-upgrade", "-rwxr-xr-x 0/0 .pre-deinstall",
		"-rw-r--r-- 0/0 lib/apk/packages/luatnetd.conffiles", "-rw-r--r-- 0/0 lib/apk/packages/luatnetd.list",
	}))
	info := sh(t, `tar -xzOf "$1" .PKGINFO 2>/dev/null`, apk)
	wantFields(t, info, "pkgname = luatnetd", "arch = "+arch, "depend = kmod-nft-nat", "depend = kmod-nft-core", "depend = kmod-nft-fib",
		"datahash = "+dataHash(t, apk))
	listed := strings.Fields(sh(t, `tar -xzOf "$1" lib/apk/packages/luatnetd.list 2>/dev/null`, apk))
	for i := range listed {
		listed[i] = strings.TrimPrefix(listed[i], "/")
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, strings.Fields(f)[2])
	}
	slices.Sort(listed)
	wantLines(t, "luatnetd.list", listed, paths)
	smallEnough(t, apk)
}

// dataHash is the SHA-256 of what follows the first gzip stream.
func dataHash(t *testing.T, apk string) string {
	t.Helper()
	data, err := os.ReadFile(apk)
	mustNil(t, err)
	r := bufio.NewReader(bytes.NewReader(data)) // gzip takes no byte too many of a ByteReader
	z, err := gzip.NewReader(r)
	mustNil(t, err)
	z.Multistream(false)
	_, err = io.Copy(io.Discard, z)
	mustNil(t, err)
	rest, err := io.ReadAll(r)
	mustNil(t, err)
	return fmt.Sprintf("%x", sha256.Sum256(rest))
}

// Versions must sort as their commits do.
func TestVersionsSort(t *testing.T) {
	version := func(format, said, count string) string {
		cmd := exec.Command("../../packaging/version.sh", format, said)
		cmd.Env = append(os.Environ(), "COMMIT_DATE=20261125", "COMMIT_COUNT="+count)
		out, err := cmd.Output()
		mustNil(t, err)
		return strings.TrimSpace(string(out))
	}
	var debs []string
	for _, v := range []struct{ said, count, deb, apk string }{
		{"fff0001", "99", "0.0.0~git20261125.99.fff0001", "0.0.0_git20261125-r99"},
		{"abc0002", "100", "0.0.0~git20261125.100.abc0002", "0.0.0_git20261125-r100"},
		{"abc0002-dirty", "100", "0.0.0~git20261125.100.abc0002.dirty", "0.0.0_git20261125-r100"},
		{"v0.1.0-rc1", "101", "0.1.0~rc1", "0.1.0_rc1"},
		{"v0.1.0", "102", "0.1.0", "0.1.0"},
		{"v0.1.0-3-gaaa0003", "105", "0.1.0+git20261125.105.aaa0003", "0.1.0_git20261125-r105"},
		{"v0.10.0", "120", "0.10.0", "0.10.0"},
	} {
		if got := version("deb", v.said, v.count); got != v.deb {
			t.Errorf("deb of %s: %s, want %s", v.said, got, v.deb)
		}
		if got := version("ipk", v.said, v.count); got != v.deb {
			t.Errorf("ipk of %s: %s, want %s", v.said, got, v.deb)
		}
		if got := version("apk", v.said, v.count); got != v.apk {
			t.Errorf("apk of %s: %s, want %s", v.said, got, v.apk)
		}
		debs = append(debs, v.deb)
	}
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("needs dpkg, which says what version is newer on Debian")
	}
	for i := range debs[1:] {
		if err := exec.Command("dpkg", "--compare-versions", debs[i], "lt", debs[i+1]).Run(); err != nil {
			t.Errorf("dpkg does not find %s older than %s", debs[i], debs[i+1])
		}
	}
}
