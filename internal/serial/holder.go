package serial

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// busy is ErrBusy with the name of who has the port, as far as we may look.
func busy(path string) error {
	if who := Holders(path); len(who) > 0 {
		return fmt.Errorf("serial port %s: %w: %s (stop it or give it another port)", path, ErrBusy, strings.Join(who, ", "))
	}
	return fmt.Errorf("serial port %s: %w", path, ErrBusy)
}

// Holders lists the other processes that have the device at path open:
// "minicom (pid 812)". Those of other users are seen by root only.
func Holders(path string) []string {
	var want unix.Stat_t
	if unix.Stat(path, &want) != nil {
		return nil
	}
	self := strconv.Itoa(os.Getpid())
	dirs, _ := filepath.Glob("/proc/[0-9]*/fd")
	var list []string
	for _, dir := range dirs {
		pid := filepath.Base(filepath.Dir(dir))
		if pid == self || !opens(dir, want) {
			continue
		}
		name, _ := os.ReadFile(filepath.Join("/proc", pid, "comm"))
		list = append(list, fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(name)), pid))
	}
	return list
}

// opens reports whether a process's fd directory has the device.
func opens(dir string, want unix.Stat_t) bool {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		// The link is cheap and keeps us from touching sockets and files.
		if to, err := os.Readlink(name); err != nil || !strings.HasPrefix(to, "/dev/") {
			continue
		}
		var st unix.Stat_t
		// Two devpts may number their devices alike: compare the inode as well.
		if unix.Stat(name, &st) == nil && st.Rdev == want.Rdev && st.Ino == want.Ino && st.Dev == want.Dev {
			return true
		}
	}
	return false
}
