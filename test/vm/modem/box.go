package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"

	"luatnetd/internal/lab"
	"luatnetd/internal/status"
	"luatnetd/modem"
)

// box is the whole gateway: the real daemon in this machine's own namespace, an
// Ethernet provider, a LAN client, and networks for two modems.
type box struct {
	*lab.Box
	j     *judge
	cores []*lab.NS
	file  []byte
	runs  int // daemons with a state of their own
}

const filePort = 8080

// newBox makes the world once for all scenes.
func newBox(j *judge, binary string) (*box, error) {
	dir := "/tmp/gw"
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	b, err := lab.NewBoxHere(dir, binary, 1)
	if err != nil {
		return nil, err
	}
	x := &box{Box: b, j: j, file: bytes.Repeat([]byte("luatnetd in the VM: a file\n"), 9000)}
	for i := range 2 {
		ns, err := core(b.World, i)
		if err != nil {
			return nil, err
		}
		x.cores = append(x.cores, ns)
	}
	return x, errors.Join(x.serveFile(), b.Client.AddAddr("eth0", "192.168.5.50/24"), b.Client.AddRoute("default", "192.168.5.1"))
}

// serveFile is the web server with the file.
func (x *box) serveFile() error {
	return x.Server.Do(func() error {
		l, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", lab.WebAddr, filePort))
		if err != nil {
			return err
		}
		srv := &http.Server{ReadHeaderTimeout: limit, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host, _, _ := net.SplitHostPort(r.RemoteAddr)
			w.Header().Set("X-From", host)
			_, _ = w.Write(x.file)
		})}
		go func() { _ = srv.Serve(l) }()
		return nil
	})
}

// fetch lets the LAN client fetch the file; the server must have seen from.
func (x *box) fetch(from string) error {
	c := http.Client{Timeout: 2 * limit, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
		return x.Client.Dial(network, addr, 10*time.Second)
	}}}
	r, err := c.Get(fmt.Sprintf("http://%s:%d/", lab.WebAddr, filePort))
	if err != nil {
		return err
	}
	defer func() { _ = r.Body.Close() }()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if sha256.Sum256(b) != sha256.Sum256(x.file) {
		return fmt.Errorf("%d bytes, not the %d of the file", len(b), len(x.file))
	}
	if got := r.Header.Get("X-From"); got != from {
		return fmt.Errorf("the server saw %s, want %s", got, from)
	}
	return nil
}

const (
	wanText = `
[[uplink]]
name = "wan"
device = "wan1"
address = "100.64.1.2/24"
gateway = "100.64.1.1"
`
	modemText = `
[[uplink]]
name = "4g"
adapter = "LWIP_GP"
metered = false
[uplink.modem]
`
	lanText = `
[[lan]]
name = "lan"
ports = ["lan1"]
address = "192.168.5.1/24"

[time]
enabled = false
`
)

// config writes the configuration and gives the daemon a fresh state.
func (x *box) config(text string) error {
	x.runs++
	if err := os.RemoveAll(filepath.Join(x.Gateway.Dir(), "run/luatnetd")); err != nil { // as after a boot
		return err
	}
	x.State = filepath.Join(x.Gateway.Dir(), "state"+strconv.Itoa(x.runs))
	return x.Write(text + lanText)
}

// end stops the daemon.
func (x *box) end() { x.j.ok("the daemon stops", x.Stop(syscall.SIGTERM)) }

// route waits until the default route of main leads through a device for which
// ok holds, and returns that.
func route(wait time.Duration, ok func(device string) bool) (device string, err error) {
	err = until(wait, func() error {
		device = defaultDevice()
		if !ok(device) {
			return fmt.Errorf("the default route leads through %q", device)
		}
		return nil
	})
	return device, err
}

func defaultDevice() string {
	list, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return ""
	}
	for _, r := range list {
		if r.Dst != nil && r.Dst.String() != "0.0.0.0/0" {
			continue
		}
		if l, err := netlink.LinkByIndex(r.LinkIndex); err == nil {
			return l.Attrs().Name
		}
	}
	return ""
}

func cell(device string) bool { return device != "" && device != "wan1" }

// until calls f until it returns nil, at most for limit; a fork or a lookup of
// this machine takes time, so it looks every 20 ms.
func until(wait time.Duration, f func() error) error {
	end := time.Now().Add(wait)
	for {
		err := f()
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w (waited %v)", err, wait)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// modem is the status of an uplink's modem.
func (x *box) modem(uplink string) (status.Modem, error) {
	list, err := x.API.Modems(context.Background())
	if err != nil {
		return status.Modem{}, err
	}
	for _, m := range list {
		if m.Uplink == uplink {
			return m, nil
		}
	}
	return status.Modem{}, fmt.Errorf("no modem of %q among %d", uplink, len(list))
}

// modemIs waits until f says nothing against the modem.
func (x *box) modemIs(wait time.Duration, f func(status.Modem) error) error {
	return until(wait, func() error {
		m, err := x.modem("4g")
		if err != nil {
			return err
		}
		return f(m)
	})
}

// state says what is against a state.
func state(want modem.State) func(status.Modem) error {
	return func(m status.Modem) error {
		if m.State != want {
			return fmt.Errorf("the modem is %s, code %q: %s", m.State, m.Code, m.Cause)
		}
		return nil
	}
}

// explain prints what helps where something failed.
func (x *box) explain(f *far) {
	if x.j.fails == x.j.told {
		return
	}
	x.j.told = x.j.fails
	if m, err := x.modem("4g"); err == nil {
		fmt.Println(m.Text(time.Now()))
	}
	out := x.Daemon.Output()
	fmt.Println(out[max(0, len(out)-6000):])
	if f != nil {
		log := f.Log()
		for _, e := range log[max(0, len(log)-25):] {
			fmt.Println("     at:", e.At.Format("05.000"), e.Port, e.Text)
		}
	}
	_ = os.Stdout.Sync()
}

// children are the programs that the daemon has started and that live.
func children(pid int) (list []string) {
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			continue
		}
		rest := string(b[bytes.LastIndexByte(b, ')')+1:])
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(pid) {
			list = append(list, string(b[:bytes.LastIndexByte(b, ')')+1]))
		}
	}
	return list
}

// open are the descriptors of a process.
func open(pid int) (list []string) {
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, n := range names {
		if to, err := os.Readlink(n); err == nil {
			list = append(list, to)
		}
	}
	return list
}
