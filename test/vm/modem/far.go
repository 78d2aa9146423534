package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"luatnetd/internal/lab"
	"luatnetd/modem/modemtest"
	"luatnetd/test/vm/modem/gadget"
)

// far is a modem: the gadget is its plug, the emulator its firmware, a
// namespace its network, which is joined to the internet's server and
// translates as real modems do.
type far struct {
	*modemtest.Modem
	g      *gadget.Gadget
	ns     *lab.NS
	public string // what the internet sees of it

	work  chan func() // plugs and unplugs, in order; capacity 64: the emulator never waits
	stop  context.CancelFunc
	ended sync.WaitGroup

	mu    sync.Mutex // guards what follows
	moved bool       // its netdev is in ns
	in    bool       // the plug is
	fails []error
}

// lan is the modem's end of the netdev, in its namespace.
const lan = "lan0"

// core makes the network behind modem number i of a world.
func core(w *lab.World, i int) (*lab.NS, error) {
	ns, err := w.NS(fmt.Sprintf("modem%d", i))
	if err != nil {
		return nil, err
	}
	up := fmt.Sprintf("cell%d", i)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_, errNAT := ns.Run(ctx, "nft", "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; add rule ip nat post oifname up0 masquerade")
	return ns, errors.Join(
		errNAT,
		w.Link(ns, "up0", w.Server, up),
		ns.AddAddr("up0", fmt.Sprintf("198.18.%d.2/30", 100+i)),
		w.Server.AddAddr(up, fmt.Sprintf("198.18.%d.1/30", 100+i)),
		ns.AddRoute("default", fmt.Sprintf("198.18.%d.1", 100+i)),
		os.MkdirAll(filepath.Join(ns.Dir(), "run/ppp"), 0o755))
}

// atOnce is a module that needs no time for anything.
var atOnce = modemtest.Pace{Boot: -1, SIM: -1, Register: -1, Activate: -1, Network: -1}

// newFar makes modem number i, not plugged in.
func newFar(x *box, i int, s gadget.Spec, udc gadget.UDC, id string, o modemtest.Options) (*far, error) {
	p, ok := modemtest.ByID(id)
	if !ok {
		return nil, fmt.Errorf("no emulated module %q", id)
	}
	g, err := gadget.New(fmt.Sprintf("m%d", i), s, udc)
	if err != nil {
		return nil, err
	}
	f := &far{g: g, ns: x.cores[i], public: fmt.Sprintf("198.18.%d.2", 100+i), work: make(chan func(), 64)}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	o.Pace = atOnce
	o.Vanished = func() { f.work <- f.pullOut }
	o.Returned = func() { f.work <- f.plugIn }
	o.Data = func(s modemtest.DataState) { f.work <- func() { f.note(f.data(s)) } }
	o.PPP = f.peer
	f.Modem = modemtest.New(p, o)
	f.SetNetwork(1430, netip.MustParseAddr(lab.PublicAddrs[0]), netip.MustParseAddr(lab.PublicAddrs[1]))
	f.Modem.Unplug()
	f.ended.Go(func() {
		for {
			select {
			case do := <-f.work:
				do()
			case <-ctx.Done():
				return
			}
		}
	})
	ports := p.Compositions[0].Ports
	for n, tty := range g.TTYs() {
		if n < len(ports) {
			f.ended.Go(func() { f.serve(ctx, ports[n].Interface, tty) })
		}
	}
	return f, nil
}

// Plug plugs the modem in and says when.
func (f *far) Plug() time.Time {
	now := time.Now()
	f.Modem.Plug(0)
	return now
}

// plugIn puts the plug in; the first time the netdev moves to its namespace.
func (f *far) plugIn() {
	if err := f.g.Plug(); err != nil {
		fmt.Println("     plug:", err)
		f.note(err)
	}
	f.mu.Lock()
	moved := f.moved
	f.moved, f.in = true, true
	f.mu.Unlock()
	if name := f.g.Net(); name != "" && !moved {
		f.note(f.move(name))
	}
	f.note(f.data(f.Data()))
}

// pullOut pulls the plug out, if it is in: a module is made on its bus.
func (f *far) pullOut() {
	f.mu.Lock()
	in := f.in
	f.in = false
	f.mu.Unlock()
	if in {
		f.note(f.g.Unplug())
	}
}

func (f *far) move(name string) error {
	l, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetNsFd(l, f.ns.FD())
	}
	if err != nil {
		return fmt.Errorf("move %s: %w", name, err)
	}
	if err := f.ns.Do(func() error { return netlink.LinkSetName(l, lan) }); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	stop := f.stop
	f.stop = func() { cancel(); stop() }
	f.ended.Go(func() { _ = f.ns.Do(func() error { return f.ServeDHCP(ctx, lan) }) })
	return nil
}

// data makes the network as the emulator's data plane is.
func (f *far) data(s modemtest.DataState) error {
	f.mu.Lock()
	moved := f.moved && f.g.Net() != ""
	f.mu.Unlock()
	forward := "0"
	if s.Forwards {
		forward = "1"
	}
	err := f.ns.Sysctl("net/ipv4/ip_forward", forward)
	if !moved {
		return err
	}
	if s.Gateway.IsValid() {
		if e := f.ns.AddAddr(lan, s.Gateway.String()+"/24"); e != nil && !errors.Is(e, unix.EEXIST) {
			err = errors.Join(err, e)
		}
	}
	return errors.Join(err, f.ns.SetUp(lan, s.Carrier))
}

// serve is the firmware at one port, which ends with every unplugging.
func (f *far) serve(ctx context.Context, port int, tty string) {
	for ctx.Err() == nil {
		if file, err := os.OpenFile(tty, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0); err == nil {
			if _, err := term.MakeRaw(int(file.Fd())); err == nil {
				_ = unix.SetNonblock(int(file.Fd()), true)
				_ = f.Serve(ctx, port, file)
			}
			_ = file.Close()
		}
		select {
		case <-time.After(30 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// peer is the other end of a call: a pppd in the modem's network.
func (f *far) peer(call modemtest.PPPCall) {
	cmd := exec.Command("pppd", "notty", "nodetach", "local", "nolock", "noauth", "noccp", "novj", "noipv6", "silent", "lcp-max-terminate", "1",
		"ms-dns", lab.PublicAddrs[0], "10.64.64.1:"+call.Data.Addr4.String())
	in, out, err := os.Pipe()
	if err != nil {
		f.note(err)
		return
	}
	cmd.Stdin, cmd.Stdout = in, call.RW
	p, err := f.ns.StartCmd(nil, cmd)
	_ = in.Close()
	if err != nil {
		f.note(err)
		_ = out.Close()
		return
	}
	buf := make([]byte, 4096)
	for {
		n, err := call.RW.Read(buf)
		if n > 0 {
			_, _ = out.Write(buf[:n])
		}
		if err != nil {
			break
		}
	}
	_ = p.Signal(unix.SIGTERM)
	_ = out.Close()
	select {
	case <-p.Done():
	case <-time.After(5 * time.Second):
		p.Kill()
	}
}

func (f *far) note(err error) {
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.fails = append(f.fails, err)
	}
}

// Close removes the modem and says what went wrong on its side.
func (f *far) Close() error {
	f.Modem.Unplug()
	time.Sleep(time.Second) // the host lets go of it: usbip attaches no device that is still leaving
	f.stop()
	f.ended.Wait()
	f.note(f.g.Remove())
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.fails...)
}
