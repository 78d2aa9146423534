package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Net is a set of namespaces and of the programs running in them.
type Net struct {
	dir string

	mu    sync.Mutex // guards what follows
	procs []*Proc
	all   []*NS
}

// NS is one network namespace with files of its own: /run, /etc/resolv.conf
// and the state directories of DHCP clients are private to it.
type NS struct {
	Name string
	net  *Net
	fd   int
	dir  string
}

// TB is the part of testing.TB that the lab needs.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
	TempDir() string
}

// New returns an empty network that is taken down when the test ends.
func New(t TB) *Net {
	n, err := NewIn(t.TempDir())
	if err != nil {
		t.Fatalf("lab: %v", err)
	}
	t.Cleanup(n.Close)
	return n
}

// NewIn returns an empty network whose files live below dir. The caller closes it.
func NewIn(dir string) (*Net, error) {
	if !Inside() {
		return nil, fmt.Errorf("the program did not enter the lab's namespaces")
	}
	return &Net{dir: dir}, nil
}

// Close kills every program, by process id, and drops the namespaces.
func (n *Net) Close() {
	n.mu.Lock()
	procs, all := n.procs, n.all
	n.procs, n.all = nil, nil
	n.mu.Unlock()
	for _, p := range procs {
		p.Kill()
	}
	for _, ns := range all {
		_ = unix.Close(ns.fd)
	}
}

// NS makes a namespace with lo up.
func (n *Net) NS(name string) (*NS, error) {
	ns := &NS{Name: name, net: n, dir: filepath.Join(n.dir, name)}
	if err := ns.files(); err != nil {
		return nil, err
	}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("new network namespace: %w", err)
		}
		fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open network namespace: %w", err)
		}
		ns.fd = fd
		return up("lo")
	})
	if err != nil {
		return nil, fmt.Errorf("namespace %s: %w", name, err)
	}
	n.mu.Lock()
	n.all = append(n.all, ns)
	n.mu.Unlock()
	return ns, nil
}

// files makes what is private to the namespace.
func (ns *NS) files() error {
	for _, d := range []string{"run", "lib"} {
		if err := os.MkdirAll(filepath.Join(ns.dir, d), 0o755); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(ns.dir, "resolv.conf"), nil, 0o644)
}

// MustNS is NS for tests.
func (n *Net) MustNS(t TB, name string) *NS {
	t.Helper()
	ns, err := n.NS(name)
	if err != nil {
		t.Fatalf("lab: %v", err)
	}
	return ns
}

// FD is the namespace's descriptor, valid until the Net is closed.
func (ns *NS) FD() int { return ns.fd }

// Dir is where the namespace's private files live: run, lib, resolv.conf.
func (ns *NS) Dir() string { return ns.dir }

// onThread runs f on an operating system thread that is thrown away.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errors.New("ended by t.Fatal or a panic")
		defer func() { done <- err }() // also after runtime.Goexit, which t.Fatal calls
		runtime.LockOSThread()         // never unlocked: the thread ends with the goroutine
		err = f()
	}()
	return <-done
}

// Do runs f with the calling thread inside the namespace. Sockets that f opens
// stay in the namespace; goroutines that it starts do not.
func (ns *NS) Do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(ns.fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter namespace %s: %w", ns.Name, err)
		}
		return f()
	})
}

// MustDo is Do for tests.
func (ns *NS) MustDo(t TB, f func() error) {
	t.Helper()
	if err := ns.Do(f); err != nil {
		t.Fatalf("in namespace %s: %v", ns.Name, err)
	}
}

// Link joins two namespaces by a veth pair; both ends are up.
func (n *Net) Link(a *NS, aName string, b *NS, bName string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = aName
	attrs.Namespace = netlink.NsFd(a.fd)
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: bName, PeerNamespace: netlink.NsFd(b.fd)}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("veth %s/%s to %s/%s: %w", a.Name, aName, b.Name, bName, err)
	}
	if err := a.Do(func() error { return up(aName) }); err != nil {
		return err
	}
	return b.Do(func() error { return up(bName) })
}

// MustLink is Link for tests.
func (n *Net) MustLink(t TB, a *NS, aName string, b *NS, bName string) {
	t.Helper()
	if err := n.Link(a, aName, b, bName); err != nil {
		t.Fatalf("lab: %v", err)
	}
}

func up(name string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("device %s: %w", name, err)
	}
	return netlink.LinkSetUp(l)
}

// SetUp brings a device of the namespace up or down. Taking one end of a veth
// down takes the carrier from the other: the lab's way to pull a cable.
func (ns *NS) SetUp(name string, on bool) error {
	return ns.Do(func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("device %s: %w", name, err)
		}
		if on {
			return netlink.LinkSetUp(l)
		}
		return netlink.LinkSetDown(l)
	})
}

// AddAddr adds an address such as "192.0.2.1/24" to a device.
func (ns *NS) AddAddr(device, prefix string) error {
	return ns.Do(func() error {
		l, err := netlink.LinkByName(device)
		if err != nil {
			return fmt.Errorf("device %s: %w", device, err)
		}
		a, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		return netlink.AddrAdd(l, a)
	})
}

// AddRoute adds a route: dst is a prefix or "default", via the next hop.
func (ns *NS) AddRoute(dst, via string) error {
	return ns.Do(func() error {
		r := &netlink.Route{Gw: net.ParseIP(via)}
		if dst != "default" {
			p, err := netlink.ParseIPNet(dst)
			if err != nil {
				return err
			}
			r.Dst = p
		}
		return netlink.RouteAdd(r)
	})
}

// Sysctl writes a value below /proc/sys/net of the namespace.
func (ns *NS) Sysctl(key, value string) error {
	return ns.Do(func() error {
		return os.WriteFile("/proc/sys/"+key, []byte(value), 0o644)
	})
}

// Proc is a program running in a namespace.
type Proc struct {
	Cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended
	err  error         // valid after done

	out *output
}

type output struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
	tee io.Writer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.tee != nil {
		_, _ = o.tee.Write(p)
	}
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Start starts a program in the namespace, in a process group of its own. tee
// gets a copy of what it prints, nil for none.
func (ns *NS) Start(tee io.Writer, name string, args ...string) (*Proc, error) {
	return ns.StartCmd(tee, exec.Command(name, args...))
}

// StartCmd is Start for a prepared command.
func (ns *NS) StartCmd(tee io.Writer, cmd *exec.Cmd) (*Proc, error) {
	p := &Proc{Cmd: cmd, done: make(chan struct{}), out: &output{tee: tee}}
	if cmd.Stdout == nil {
		cmd.Stdout = p.out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = p.out
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	err := ns.Do(func() error {
		if err := ns.mounts(); err != nil {
			return err
		}
		return cmd.Start()
	})
	if err != nil {
		return nil, fmt.Errorf("start %s in %s: %w", cmd.Path, ns.Name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	ns.net.mu.Lock()
	ns.net.procs = append(ns.net.procs, p)
	ns.net.mu.Unlock()
	return p, nil
}

// mounts gives the calling thread, and so the program it starts, a view of the
// files that belongs to the namespace.
func (ns *NS) mounts() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("new mount namespace: %w", err)
	}
	// EBUSY: that of this namespace is there already (Here).
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mount /sys: %w", err)
	}
	for from, to := range map[string]string{
		"run": "/run", "lib": "/var/lib/dhcp", "resolv.conf": "/etc/resolv.conf",
	} {
		if resolved, err := filepath.EvalSymlinks(to); err == nil {
			to = resolved
		} else {
			continue // the machine has no such file: nothing to hide
		}
		if err := unix.Mount(filepath.Join(ns.dir, from), to, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", to, err)
		}
	}
	return nil
}

// Run runs a program to its end and returns what it printed.
func (ns *NS) Run(ctx context.Context, name string, args ...string) (string, error) {
	p, err := ns.Start(nil, name, args...)
	if err != nil {
		return "", err
	}
	defer ns.net.forget(p)
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Kill()
		return p.Output(), fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), ctx.Err())
	}
	if p.err != nil {
		return p.Output(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), p.err, p.Output())
	}
	return p.Output(), nil
}

// MustRun is Run for tests, with a limit of 30 s.
func (ns *NS) MustRun(t TB, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := ns.Run(ctx, name, args...)
	if err != nil {
		t.Fatalf("in namespace %s: %v", ns.Name, err)
	}
	return out
}

func (n *Net) forget(p *Proc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, q := range n.procs {
		if q == p {
			n.procs = append(n.procs[:i], n.procs[i+1:]...)
			return
		}
	}
}

// Output is what the program printed until now.
func (p *Proc) Output() string { return p.out.String() }

// Done is closed when the program has ended.
func (p *Proc) Done() <-chan struct{} { return p.done }

// Err is how it ended; valid once Done is closed.
func (p *Proc) Err() error { return p.err }

// Signal sends a signal to the program.
func (p *Proc) Signal(s syscall.Signal) error { return p.Cmd.Process.Signal(s) }

// Kill kills the program's process group and waits for the end.
func (p *Proc) Kill() {
	select {
	case <-p.done:
		return
	default:
	}
	_ = unix.Kill(-p.Cmd.Process.Pid, unix.SIGKILL)
	<-p.done
}
