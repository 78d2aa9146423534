package openwrt

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const initScript = "/etc/init.d/luatnetd"

// started is what procd is told at a start. No reload_signal: procd would send
// it instead of restarting what hangs or is new.
var started = []string{
	"open",
	"set command /usr/sbin/luatnetd run --log procd --state-dir /etc/luatnetd/state",
	"set file /usr/sbin/luatnetd",
	"set respawn 3600 5 0",
	"set term_timeout 15",
	"set stdout 1",
	"set stderr 1",
	"close",
	"commit",
}

// says fails the test unless the program says exactly that and ends so.
func (b *box) says(code int, want []string, words ...string) {
	b.t.Helper()
	got, c := b.run(words...)
	if c != code || !slices.Equal(got, want) {
		b.t.Errorf("%q: code %d, said\n  %s\nwant code %d\n  %s", words, c, strings.Join(got, "\n  "), code, strings.Join(want, "\n  "))
	}
}

func TestInitScript(t *testing.T) {
	b := newBox(t, "ipk")
	b.says(0, started, initScript, "start")
	if fi, err := os.Stat(filepath.Join(b.root, "var/run/luatnetd")); err != nil || !fi.IsDir() {
		t.Errorf("start makes no /var/run/luatnetd: %v", err)
	}
	if b.enabled() {
		t.Error("start has enabled the service")
	}
	b.says(0, []string{""}, initScript, "enable")
	if !b.enabled() {
		t.Error("enable has no effect: START is not 21")
	}
	for _, link := range []string{"S21luatnetd", "K89luatnetd"} {
		if _, err := os.Stat(filepath.Join(b.root, "etc/rc.d", link)); err != nil {
			t.Errorf("enable: %v", err)
		}
	}
}

// The command that procd starts is one that the real program takes.
func TestInitScriptCommand(t *testing.T) {
	b := newBox(t, "apk")
	said, _ := b.run(initScript, "start")
	for _, line := range said {
		if args, ok := strings.CutPrefix(line, "set command /usr/sbin/luatnetd "); ok {
			out, err := exec.Command(filepath.Join(b.root, "usr/sbin/luatnetd.real"), append(strings.Fields(args), "--help")...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "--state-dir") {
				t.Errorf("luatnetd %s: %v\n%s", args, err, out)
			}
			return
		}
	}
	t.Errorf("no command in %q", said)
}

// A bad file makes reload fail, and no SIGHUP hides that; SIGHUP is for a
// daemon whose socket does not answer.
func TestInitScriptReload(t *testing.T) {
	b := newBox(t, "ipk")
	asked := "luatnetd ctl reload"
	b.codes("0")
	b.says(0, []string{asked}, initScript, "reload")
	b.codes("1")
	b.says(1, []string{asked}, initScript, "reload")
	b.codes("4")
	b.says(4, []string{asked}, initScript, "reload")
	b.codes("3")
	b.says(0, []string{asked, "signal luatnetd * HUP"}, initScript, "reload")
}

// opkg: install, upgrade (the old prerm, the new postinst), remove.
func TestOpkgScripts(t *testing.T) {
	b := newBox(t, "ipk")
	postinst, prerm := b.scripts+"/postinst", b.scripts+"/prerm"
	b.says(0, []string{""}, "IPKG_INSTROOT=/image", postinst, "configure") // an image is built: nothing runs
	b.says(0, []string{""}, "IPKG_INSTROOT=/image", prerm, "remove")
	b.says(0, started, "PKG_UPGRADE=0", postinst, "configure")
	if !b.enabled() {
		t.Error("an installation does not enable the service")
	}
	b.says(0, []string{"kill luatnetd"}, "PKG_UPGRADE=1", prerm, "upgrade", "2.0")
	b.says(0, started, "PKG_UPGRADE=1", postinst, "configure")
	if !b.enabled() {
		t.Error("an upgrade has disabled the service")
	}
	b.says(0, []string{""}, initScript, "disable")
	b.says(0, []string{""}, "PKG_UPGRADE=1", postinst, "configure")
	if b.enabled() {
		t.Error("an upgrade has enabled what was disabled")
	}
	b.codes("1 1 0") // the daemon takes its time to stop
	b.says(0, []string{"kill luatnetd", "luatnetd clean", "luatnetd clean", "luatnetd clean"}, "PKG_UPGRADE=0", prerm, "remove")
	if _, err := os.Stat(filepath.Join(b.root, "var/run/luatnetd")); !os.IsNotExist(err) {
		t.Errorf("a removal leaves /var/run/luatnetd: %v", err)
	}
}

// apk: install, upgrade (post-upgrade alone), remove.
func TestAPKScripts(t *testing.T) {
	b := newBox(t, "apk")
	b.says(0, started, b.scripts+"/.post-install", "1.0")
	if !b.enabled() {
		t.Error("an installation does not enable the service")
	}
	b.says(0, started, b.scripts+"/.post-upgrade", "2.0", "1.0")
	b.says(0, []string{"kill luatnetd", "luatnetd clean"}, b.scripts+"/.pre-deinstall", "2.0")
	if b.enabled() {
		t.Error("a removal leaves the service enabled")
	}
	b.says(0, []string{""}, b.scripts+"/.post-upgrade", "2.0", "1.0") // disabled: it stays so
}
