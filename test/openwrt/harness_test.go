package openwrt

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// dist holds the packages of this run. One architecture stands for all: the
// scripts are the same, and "make size" builds the others.
var dist string

const arch = "x86_64"

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if dist, err = os.MkdirTemp("", "openwrt"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dist)
	if err = os.Chmod(dist, 0o755); err == nil {
		build := exec.Command("../../packaging/build.sh", "-o", dist, "v1.2.3-4-gabc123", "ipk:"+arch, "apk:"+arch)
		build.Stderr = os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the packages:", err)
		return 1
	}
	return m.Run()
}

// file is the one package of that format.
func file(t *testing.T, format string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dist, "*."+format))
	if err != nil || len(found) != 1 {
		t.Fatalf("packages of the format %s: %q, want one (%v)", format, found, err)
	}
	return found[0]
}

// sh runs a command line of the host with arguments $1, $2 …
func sh(t *testing.T, line string, args ...string) string {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-ec", line, "sh"}, args...)...)
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", line, args, err, problems.String())
	}
	return string(out)
}

func mustNil(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// box is a root directory with busybox, the stand-ins and a package's files.
type box struct {
	t       *testing.T
	root    string
	scripts string // the package's own scripts, seen from inside
	enter   []string
}

// newBox unpacks the package of that format, as opkg or apk would.
func newBox(t *testing.T, format string) *box {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("needs busybox, whose shell runs the scripts on OpenWrt")
	}
	b := &box{t: t, root: t.TempDir(), enter: []string{"chroot"}}
	if os.Getuid() != 0 {
		b.enter = []string{"unshare", "-r", "chroot"}
		if out, err := exec.Command("unshare", "-r", "true").CombinedOutput(); err != nil {
			t.Skipf("needs root or user namespaces, for a root folder of its own: %s", out)
		}
	}
	for _, d := range []string{"bin", "tmp", "etc", "dev"} {
		mustNil(t, os.MkdirAll(filepath.Join(b.root, d), 0o755))
	}
	b.copy(busybox, "bin/busybox")
	for _, word := range strings.Fields(sh(t, `ldd "$1" 2>/dev/null || true`, busybox)) {
		if strings.HasPrefix(word, "/") { // a library, or the loader
			b.copy(word, word)
		}
	}
	for _, applet := range []string{"sh", "mkdir", "ln", "rm", "sleep", "sysctl", "cat"} {
		mustNil(t, os.Symlink("busybox", filepath.Join(b.root, "bin", applet)))
	}
	mustNil(t, os.WriteFile(filepath.Join(b.root, "dev/null"), nil, 0o666))
	b.scripts = "/tmp/scripts"
	mustNil(t, os.MkdirAll(filepath.Join(b.root, b.scripts), 0o755))
	switch format {
	case "ipk":
		sh(t, `tar -xzOf "$1" ./data.tar.gz | tar -C "$2" -xz; tar -xzOf "$1" ./control.tar.gz | tar -C "$2$3" -xz`, file(t, format), b.root, b.scripts)
	case "apk":
		sh(t, `tar -C "$2" -xzf "$1"; mv "$2"/.p[or]* "$2$3"`, file(t, format), b.root, b.scripts)
	}
	b.copy("testdata/rc.common", "etc/rc.common")
	mustNil(t, os.Rename(filepath.Join(b.root, "usr/sbin/luatnetd"), filepath.Join(b.root, "usr/sbin/luatnetd.real")))
	b.copy("testdata/luatnetd", "usr/sbin/luatnetd")
	return b
}

func (b *box) copy(from, to string) {
	b.t.Helper()
	data, err := os.ReadFile(from)
	mustNil(b.t, err)
	to = filepath.Join(b.root, to)
	mustNil(b.t, os.MkdirAll(filepath.Dir(to), 0o755))
	mustNil(b.t, os.WriteFile(to, data, 0o755))
}

// codes are how the next calls of the daemon's program end.
func (b *box) codes(codes string) {
	b.t.Helper()
	mustNil(b.t, os.WriteFile(filepath.Join(b.root, "tmp/codes"), []byte(codes+"\n"), 0o666))
}

// run runs a program inside, with NAME=value words before it, and returns what
// procd and the daemon's program were told, and the exit code.
func (b *box) run(words ...string) (said []string, code int) {
	b.t.Helper()
	log := filepath.Join(b.root, "tmp/said")
	mustNil(b.t, os.WriteFile(log, nil, 0o666))
	ctx, cancel := context.WithTimeout(b.t.Context(), 40*time.Second)
	defer cancel()
	env := []string{"PATH=/bin:/usr/sbin"}
	for len(words) > 0 && strings.Contains(words[0], "=") {
		env, words = append(env, words[0]), words[1:]
	}
	args := slices.Concat(b.enter[1:], []string{b.root}, words)
	cmd := exec.CommandContext(ctx, b.enter[0], args...)
	cmd.Env = append(env, "PATH=/bin:/usr/bin:/usr/sbin:/sbin")
	out, err := cmd.CombinedOutput()
	if len(out) > 0 {
		b.t.Logf("%q prints: %s", words, out)
	}
	if err != nil && cmd.ProcessState == nil {
		b.t.Fatalf("%q: %v", words, err)
	}
	text, err := os.ReadFile(log)
	mustNil(b.t, err)
	return strings.Split(strings.TrimSpace(string(text)), "\n"), cmd.ProcessState.ExitCode()
}

// enabled reports whether the service starts at boot.
func (b *box) enabled() bool {
	found, err := filepath.Glob(filepath.Join(b.root, "etc/rc.d/S21luatnetd"))
	mustNil(b.t, err)
	return len(found) == 1
}
