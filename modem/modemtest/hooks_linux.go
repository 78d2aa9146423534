package modemtest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/internal/lab"
)

// serveTTY serves a tty that exists already.
func (r *run) serveTTY(ctx context.Context, port int, path string) error {
	if !r.present(port) {
		return ErrVanished
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	if err := raw(fd); err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("%s: %w", path, err)
	}
	return r.m.Serve(ctx, port, os.NewFile(uintptr(fd), path))
}

// servePty serves a new pseudo terminal behind a link at path.
func (r *run) servePty(ctx context.Context, port int, path string) error {
	if !r.present(port) {
		return ErrVanished
	}
	p, err := newPty(path)
	if err != nil {
		return err
	}
	return r.m.Serve(ctx, port, p)
}

// present says whether a port is on the bus now.
func (r *run) present(port int) bool {
	r.m.lock()
	defer r.m.unlock()
	return (r.m.running || r.pers.uart()) && r.m.lineLocked(port) != nil
}

// pty is a pseudo terminal with a link to it. It holds the far end open, so
// that a host may come and go; Close takes both and the link away.
type pty struct {
	*os.File
	far  int
	link string
}

func newPty(link string) (*pty, error) {
	near, path, err := lab.Pty()
	if err != nil {
		return nil, err
	}
	far, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = raw(far)
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(link), 0o755)
	}
	if err == nil {
		_ = os.Remove(link)
		err = os.Symlink(path, link)
	}
	if err != nil {
		_ = near.Close()
		return nil, fmt.Errorf("pseudo terminal at %s: %w", link, err)
	}
	return &pty{File: near, far: far, link: link}, nil
}

func (p *pty) Close() error {
	_ = os.Remove(p.link)
	_ = unix.Close(p.far)
	return p.File.Close()
}

// raw takes the line discipline's own ideas away.
func raw(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("read its settings: %w", err)
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB|unix.CRTSCTS) | unix.CS8 | unix.CREAD | unix.CLOCAL
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, t); err != nil {
		return fmt.Errorf("make it raw: %w", err)
	}
	return nil
}

// hooks runs the shell commands, one after the other, beside the modem: it does
// not wait for them. work runs until ctx ends.
func (r *run) hooks(ctx context.Context) (work func()) {
	queue := make(chan func(), 256) // full, the modem waits: nothing is left out
	work = func() {
		for {
			select {
			case f := <-queue:
				f()
			case <-ctx.Done():
				return
			}
		}
	}
	later := func(f func()) {
		select {
		case queue <- f:
		case <-ctx.Done():
		}
	}
	if r.onData != "" {
		r.opt.Data = func(d DataState) { later(func() { r.data(ctx, d) }) }
	}
	if r.onVanished != "" {
		r.opt.Vanished = func() { later(func() { r.shell(ctx, r.onVanished) }) }
	}
	if r.onReturned != "" {
		r.opt.Returned = func() {
			if d := r.m.Device(); d != nil {
				later(func() { r.shell(ctx, r.onReturned, fmt.Sprintf("VID=%04x", d.VID), fmt.Sprintf("PID=%04x", d.PID)) })
			}
		}
	}
	if r.ppp != "" {
		r.opt.PPP = func(c PPPCall) { r.peer(ctx, c) }
	}
	return work
}

func (r *run) data(ctx context.Context, d DataState) {
	var dns []string
	for _, a := range d.DNS {
		dns = append(dns, a.String())
	}
	text := func(valid bool, s fmt.Stringer) string {
		if !valid {
			return ""
		}
		return s.String()
	}
	r.shell(ctx, r.onData,
		"UP="+boolText(d.Up), "FORWARDS="+boolText(d.Forwards), "CARRIER="+boolText(d.Carrier),
		"ADDR4="+text(d.Addr4.IsValid(), d.Addr4), "ADDR6="+text(d.Addr6.IsValid(), d.Addr6),
		"LEASE="+text(d.Lease.IsValid(), d.Lease), "GATEWAY="+text(d.Gateway.IsValid(), d.Gateway),
		"DNS="+strings.Join(dns, " "), "MTU="+strconv.Itoa(d.MTU), "DHCP="+string(d.DHCP))
}

func (r *run) shell(ctx context.Context, text string, env ...string) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, "/bin/sh", "-c", text)
	c.Env = append(os.Environ(), env...)
	c.Stdout, c.Stderr = r.out, r.out
	if err := c.Run(); err != nil {
		fmt.Fprintf(r.out, "modem: %s: %v\n", text, err)
	}
}

// peer runs the PPP peer with the port as its input and output.
func (r *run) peer(ctx context.Context, call PPPCall) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := exec.CommandContext(ctx, "/bin/sh", "-c", r.ppp)
	c.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return unix.Kill(-c.Process.Pid, unix.SIGTERM) }
	c.WaitDelay = 2 * time.Second
	c.Env = append(os.Environ(), "FAULT="+call.Fault, "ADDR4="+addrText(call.Data.Addr4), "USER_NAME="+call.User, "USER_PASSWORD="+call.Password)
	c.Stdout, c.Stderr = call.RW, r.out
	in, err := c.StdinPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		fmt.Fprintf(r.out, "modem: PPP peer: %v\n", err)
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(in, call.RW)
		_ = in.Close()
		cancel() // the call is over
	})
	if err := c.Wait(); err != nil && ctx.Err() == nil {
		fmt.Fprintf(r.out, "modem: PPP peer: %v\n", err)
	}
	call.RW.(*pppPort).hangUp()
	wg.Wait()
}
