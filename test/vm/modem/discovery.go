package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"luatnetd/internal/host"
	"luatnetd/internal/serial"
	"luatnetd/modem"
	"luatnetd/modem/usb"
	"luatnetd/test/vm/modem/gadget"
)

// watch is a watcher that runs, and the last snapshot.
type watch struct {
	w    *usb.Watcher
	last []modem.Device
	end  func()
}

func watching() *watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{w: usb.New("/sys")}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.w.Run(ctx); err != nil {
			fmt.Println("FAIL watcher:", err)
			os.Exit(1)
		}
	}()
	w.end = func() { cancel(); <-done }
	return w
}

// until waits for a snapshot of which wrong says "", and says what was wrong
// with the last one otherwise.
func (w *watch) until(wrong func([]modem.Device) string) error {
	timeout := time.After(limit)
	for {
		select {
		case w.last = <-w.w.Devices():
			if wrong(w.last) == "" {
				return nil
			}
		case <-timeout:
			return fmt.Errorf("%s; the last snapshot is %v", wrong(w.last), w.last)
		}
	}
}

// shape is a device in a line: "19d1:0001 tty 2 4 6 cdc_acm net 0 rndis_host".
func shape(d modem.Device) string {
	var b strings.Builder
	b.WriteString(d.ID())
	for i, p := range d.Ports {
		if i == 0 {
			b.WriteString(" tty")
		}
		fmt.Fprintf(&b, " %d", p.Interface)
	}
	if len(d.Ports) > 0 {
		b.WriteString(" " + d.Ports[0].Driver)
	}
	for _, n := range d.Nets {
		fmt.Fprintf(&b, " net %d %s", n.Interface, n.Driver)
	}
	return b.String()
}

// wants waits for exactly these shapes, whose ttys are all there.
func (w *watch) wants(shapes ...string) error {
	return w.until(func(list []modem.Device) string {
		var got []string
		for _, d := range list {
			got = append(got, shape(d))
			for _, p := range d.Ports {
				if _, err := os.Stat(p.Path); err != nil {
					return "no " + p.Path
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, shapes) {
			return fmt.Sprintf("devices %q, want %q", got, shapes)
		}
		return ""
	})
}

const (
	airShape  = "19d1:0001 tty 2 4 6 cdc_acm net 0 rndis_host"
	ec25Shape = "2c7c:0125 tty 0 1 2 3 option1 net 4 cdc_ether"
)

// discovery: every kind of composition is shown as it is, within a second or so.
func discovery(j *judge) {
	w := watching()
	defer w.end()
	j.ok("nothing is there", w.wants())
	stop, err := gadget.StartVirtual()
	if !j.ok("usbip", err) {
		return
	}
	defer stop()
	one := func(what string, s gadget.Spec, udc gadget.UDC, shape string) {
		g, err := gadget.New("m1", s, udc)
		if !j.ok(what+": made", err) {
			return
		}
		start := time.Now()
		j.ok(what+": plugged in", g.Plug())
		if j.ok(what+": "+shape, w.wants(shape)) {
			j.say("     %v after the plug, %q %q %q", time.Since(start).Round(time.Millisecond), w.last[0].Product, w.last[0].Serial, w.last[0].Path)
		}
		j.ok(what+": pulled out", g.Unplug())
		j.ok(what+": gone", w.wants())
		j.ok(what+": removed", g.Remove())
	}
	one("Air780E", gadget.Air780E, gadget.Virtual{}, airShape)
	one("EC25", gadget.EC25, gadget.Virtual{}, ec25Shape)
	for _, f := range []struct {
		f      gadget.Function
		driver string
	}{{gadget.ECM, "cdc_ether"}, {gadget.RNDIS, "rndis_host"}, {gadget.NCM, "cdc_ncm"}} {
		s := gadget.Air780E
		s.Functions = []gadget.Function{f.f, gadget.ACM, gadget.ACM}
		one(string(f.f), s, gadget.Dummy(0), "19d1:0001 tty 2 4 cdc_acm net 0 "+f.driver)
	}
	twins(j, w)
}

// twins: two modems with the same serial number are told apart by their path.
func twins(j *judge, w *watch) {
	s := gadget.Air780E
	s.Functions = []gadget.Function{gadget.ECM, gadget.ACM, gadget.ACM}
	shape := "19d1:0001 tty 2 4 cdc_acm net 0 cdc_ether"
	var pair [2]*gadget.Gadget
	for i := range pair {
		g, err := gadget.New(fmt.Sprintf("t%d", i), s, gadget.Dummy(i))
		if !j.ok("twin: made", err) || !j.ok("twin: plugged in", g.Plug()) {
			return
		}
		pair[i] = g
	}
	if j.ok("twins: both are there", w.wants(shape, shape)) {
		a, b := w.last[0], w.last[1]
		var err error
		if a.Path == b.Path || a.Serial != b.Serial || a.Nets[0].Name == b.Nets[0].Name || a.Ports[0].Path == b.Ports[0].Path {
			err = fmt.Errorf("%+v and %+v", a, b)
		}
		j.ok("twins: one serial number, and nothing else in common", err)
	}
	j.ok("twin: pulled out", pair[0].Unplug())
	j.ok("twins: one is left", w.wants(shape))
	j.ok("twins: removed", pair[0].Remove())
	j.ok("twins: removed", pair[1].Remove())
	j.ok("twins: gone", w.wants())
}

// levers: what root can do from outside, through internal/host.
func levers(j *judge) {
	w := watching()
	defer w.end()
	ctx := context.Background()
	l := usb.NewLevers("/sys", host.Sysfs{}.Write)
	g, err := gadget.New("m1", gadget.Air720, gadget.Dummy(0))
	if !j.ok("Air720: made", err) {
		return
	}
	j.ok("Air720: plugged in", g.Plug())
	j.ok("Air720: shown without ports", w.wants("1286:4e3d"))
	j.ok("new_id", l.NewID(ctx, 0x1286, 0x4e3d))
	const shape = "1286:4e3d tty 0 1 2 option1"
	if !j.ok("new_id: "+shape, w.wants(shape)) {
		return
	}
	path := w.last[0].Path
	j.ok("new_id: a second time", l.NewID(ctx, 0x1286, 0x4e3d))

	j.ok("kept awake", l.KeepAwake(ctx, path))
	b, err := os.ReadFile(filepath.Join("/sys/devices", path, "power/control"))
	if err == nil && strings.TrimSpace(string(b)) != "on" {
		err = fmt.Errorf("power/control is %q", b)
	}
	j.ok("power/control", err)
	j.ok("announced", l.Announce(ctx, path))
	j.ok("holder is named", holders(w.last[0].Ports[1].Path))

	old := inode(w.last[0].Ports[0].Path)
	start := time.Now()
	j.ok("rebind", l.Rebind(ctx, path))
	j.ok("rebind: it is back at once, and anew", back(shape, old))
	j.say("     %v", time.Since(start).Round(time.Millisecond))

	old = inode(w.last[0].Ports[0].Path)
	start = time.Now()
	j.ok("port power", l.CyclePort(ctx, path))
	j.ok("port power: it is back", w.wants(shape))
	j.ok("port power: and anew", back(shape, old))
	j.say("     %v", time.Since(start).Round(time.Millisecond))
	j.ok("Air720: removed", g.Remove())
	j.ok("Air720: gone", w.wants())
}

// back reports whether the device is there now, and its first port is another
// file than it was.
func back(want string, old uint64) error {
	list, err := usb.Scan("/sys")
	if err != nil || len(list) != 1 || shape(list[0]) != want {
		return fmt.Errorf("%v, %w, want %s", list, err, want)
	}
	if now := inode(list[0].Ports[0].Path); now == old {
		return fmt.Errorf("%s was there all the time", list[0].Ports[0].Path)
	}
	return nil
}

func inode(path string) uint64 {
	var st syscall.Stat_t
	_ = syscall.Stat(path, &st)
	return st.Ino
}

// holders: another process that has a port open is named.
func holders(tty string) error {
	c := exec.Command("sh", "-c", "exec 3<>"+tty+"; echo; exec sleep 1000")
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		return err
	}
	got := serial.Holders(tty)
	if len(got) != 1 || !strings.Contains(got[0], fmt.Sprintf("(pid %d)", c.Process.Pid)) {
		return fmt.Errorf("%q, want pid %d", got, c.Process.Pid)
	}
	return nil
}

// replug: twenty times, five of them while a port is in use.
func replug(j *judge) {
	w := watching()
	s := gadget.Air780E
	s.Functions = []gadget.Function{gadget.ECM, gadget.ACM, gadget.ACM}
	const shape = "19d1:0001 tty 2 4 cdc_acm net 0 cdc_ether"
	g, err := gadget.New("m1", s, gadget.Dummy(0))
	if !j.ok("made", err) {
		return
	}
	j.ok("nothing is there", w.wants()) // the watcher has its socket
	before := descriptors()
	paths := map[string]bool{}
	for i := range 20 {
		err := g.Plug()
		if err == nil {
			err = w.wants(shape)
		}
		var port *serial.Port
		if err == nil {
			paths[w.last[0].Path] = true
			if i%4 == 3 {
				port, err = serial.Open(serial.Config{Path: w.last[0].Ports[0].Path, Baud: 115200, DataBits: 8, StopBits: 1})
			}
		}
		if err == nil {
			err = g.Unplug()
		}
		if err == nil {
			err = w.wants()
		}
		if port != nil {
			_ = port.Close()
		}
		if err != nil {
			j.ok(fmt.Sprintf("round %d", i+1), err)
			break
		}
	}
	err = nil
	if len(paths) != 1 {
		err = fmt.Errorf("paths %v", paths)
	}
	j.ok("20 rounds, one path", err)
	err = nil
	if after := descriptors(); !slices.Equal(before, after) {
		err = fmt.Errorf("open %q, before %q", after, before)
	}
	j.ok("no descriptor is left", err)
	j.ok("removed", g.Remove())
	w.end()
}
