package data

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// process is a process of ours that may be no child of ours any more.
type process struct {
	PID   int
	Since uint64 // field 22 of /proc/PID/stat: ticks since the boot; a PID is used again, with another one
	fd    *os.File
}

// open makes sure that the process is alive, is still the same and runs that
// program, and holds on to it. The program is "" for a child of now: exec closes
// what Start waits for before the kernel gives the process its new name.
func (p *process) open(program string) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return fmt.Errorf("process %d: %w", p.PID, err)
	}
	// Only now: until the descriptor is open the number may change its owner.
	state, since, name, err := stat(p.PID)
	switch {
	case err != nil:
	case since != p.Since || program != "" && name != program:
		err = fmt.Errorf("process %d is %s now", p.PID, name)
	case state == 'Z' && program != "": // a child of now is still waited for
		err = fmt.Errorf("process %d has ended", p.PID)
	default:
		err = unix.SetNonblock(fd, true) // for the poller
	}
	if err != nil {
		_ = unix.Close(fd)
		return err
	}
	p.fd = os.NewFile(uintptr(fd), "pidfd")
	return nil
}

// wait returns when the process has ended, or when it is let go: an error then.
func (p *process) wait() error {
	raw, err := p.fd.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
}

// status is the exit status of a process that has ended, in the shell's way:
// 128 and the signal; exitUnknown if it is no child of ours.
func (p *process) status() int {
	var ws unix.WaitStatus
	for {
		pid, err := unix.Wait4(p.PID, &ws, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || pid != p.PID:
			return exitUnknown
		case ws.Signaled():
			return 128 + int(ws.Signal())
		}
		return ws.ExitStatus()
	}
}

// signal signals the process's group, which it leads.
func (p *process) signal(s syscall.Signal) {
	raw, err := p.fd.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		if unix.PidfdSendSignal(int(fd), 0, nil, 0) == nil { // else its number may be another's
			_ = syscall.Kill(-p.PID, s)
		}
	})
}

func (p *process) release() { _ = p.fd.Close() }

// stat reads state, start and name of a process.
func stat(pid int) (state byte, since uint64, comm string, err error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, 0, "", err
	}
	// "812 (name, which may hold blanks and parentheses) S 1 …"
	from, to := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if from < 0 || to < from {
		return 0, 0, "", fmt.Errorf("process %d: cannot read its stat", pid)
	}
	f := strings.Fields(string(b[to+1:]))
	if len(f) < 20 {
		return 0, 0, "", fmt.Errorf("process %d: its stat has %d fields", pid, len(f)+2)
	}
	since, err = strconv.ParseUint(f[19], 10, 64)
	return f[0][0], since, string(b[from+1 : to]), err
}
