package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inside is set in the environment of a process that already lives in its own
// namespaces.
const inside = "LUATNETD_LAB_INSIDE"

// skipped counts the tests that Run could not run here.
var skipped atomic.Int64

// Main runs the tests of a package inside fresh namespaces and exits. Where
// these are not allowed, the tests run outside and Run skips with the reason;
// the last line then counts what was left out.
func Main(m *testing.M) {
	code, err := Enter()
	if err == nil && !Inside() {
		os.Exit(code)
	}
	entering = err
	code = m.Run()
	if n := skipped.Load(); n > 0 {
		fmt.Printf("lab: %d tests not run here: %v\n", n, entering)
	}
	os.Exit(code)
}

// entering is why this process could not enter namespaces of its own.
var entering error

// Inside reports whether this process lives in the lab's own namespaces.
func Inside() bool { return os.Getenv(inside) != "" }

// Run runs f as a test that may change the network of its own namespaces. It
// skips, with the reason, where that is not allowed.
func Run(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if !Inside() {
		skipped.Add(1)
		t.Skipf("needs namespaces: %v", entering)
	}
	f(t)
}

// Enter starts the running program again inside fresh namespaces, waits for it
// and returns its exit code. Inside it prepares the mounts and returns 0, nil;
// the caller tells the two apart with Inside. An error means that namespaces
// are not allowed here.
func Enter() (int, error) {
	if Inside() {
		return 0, prepare()
	}
	runtime.LockOSThread() // Pdeathsig is bound to the thread that starts the child
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		Pdeathsig:  unix.SIGKILL,
	}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("network namespaces are not allowed here (as root, or with unprivileged user namespaces, they are): %w", err)
	}
	signals := make(chan os.Signal, 4) // a full channel drops a repeated signal
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGHUP)
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	err := cmd.Wait()
	signal.Stop(signals)
	close(signals)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	if err != nil {
		return 1, nil
	}
	return 0, nil
}

// prepare makes the mounts private and lo usable.
func prepare() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	return nil
}
