package main

import (
	"fmt"
	"strings"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/modemtest"
	"luatnetd/test/vm/modem/gadget"
)

// The bars of plugging in, guest time.
const (
	plugBar  = 6 * time.Second
	startBar = 4 * time.Second
)

// carries is a modem whose data the LAN uses.
type carries struct {
	what string
	spec gadget.Spec
	udc  gadget.UDC
	id   string // of the emulated module
	mode string // of the emulated module
	conf string // [uplink.modem]
}

// compositions in the order of the table of docs/benchmarks.md.
func compositions() []carries {
	part := func(s gadget.Spec, f ...gadget.Function) gadget.Spec { s.Functions = f; return s }
	return []carries{
		{what: "ECM, dummy_hcd", spec: part(gadget.Air780E, gadget.ECM, gadget.ACM, gadget.ACM), udc: gadget.Dummy(0), id: "air780-at", mode: "ecm"},
		{what: "RNDIS, dummy_hcd", spec: part(gadget.Air780E, gadget.RNDIS, gadget.ACM, gadget.ACM), udc: gadget.Dummy(0), id: "air780-at"},
		{what: "NCM, dummy_hcd", spec: part(gadget.Air780E, gadget.NCM, gadget.ACM, gadget.ACM), udc: gadget.Dummy(0), id: "air780-at", mode: "ecm"},
		{what: "1286:4e3d by new_id, usbip", spec: part(gadget.Air720, gadget.RNDIS, gadget.Serial, gadget.Serial, gadget.Serial), udc: gadget.Virtual{}, id: "air720"},
		{what: "Air780E whole, usbip", spec: gadget.Air780E, udc: gadget.Virtual{}, id: "air780-at"},
		{what: "EC25 whole, ECM, usbip", spec: gadget.EC25, udc: gadget.Virtual{}, id: "quectel-qc"},
		{what: "EC25 whole, PPP, usbip", spec: gadget.EC25, udc: gadget.Virtual{}, id: "quectel-qc", conf: "data = \"ppp\"\n"},
	}
}

// gateway: each composition from the plug to a file that a LAN client fetches,
// plugged in while the daemon runs, and there before it starts.
func gateway(j *judge, x *box) {
	stop, err := gadget.StartVirtual()
	if !j.ok("usbip", err) {
		return
	}
	defer stop()
	for _, c := range compositions() {
		if j.wants(c.what) {
			c.run(j, x)
		}
	}
}

func (c carries) run(j *judge, x *box) {
	f, err := newFar(x, 0, c.spec, c.udc, c.id, modemtest.Options{Mode: c.mode})
	if !j.ok(c.what+": made", err) {
		return
	}
	defer func() { j.ok(c.what+": removed", f.Close()) }()
	c.first(j, x, f, "plugged in, to default route", plugBar, func() (time.Time, error) {
		err := x.Start("--log-level", "debug")
		return f.Plug(), err
	})
	f.Unplug()
	if _, err := route(limit, func(d string) bool { return d == "" }); !j.ok(c.what+": pulled out", err) {
		return
	}
	f.Plug()
	time.Sleep(3 * time.Second) // it is there before the daemon starts
	c.first(j, x, f, "present at start, to default route", startBar, func() (time.Time, error) {
		return time.Now(), x.Launch("--log-level", "debug")
	})
}

// first is a daemon's first default route, and the file that a LAN client
// fetches by it.
func (c carries) first(j *judge, x *box, f *far, what string, most time.Duration, begin func() (time.Time, error)) {
	if !j.ok(c.what+": configured", x.config(modemText+c.conf)) {
		return
	}
	at, err := begin()
	if !j.ok(c.what+": the daemon runs", err) {
		return
	}
	defer x.end()
	defer x.explain(f)
	if _, err := route(3*most, cell); !j.ok(c.what+": default route", err) {
		return
	}
	j.bar(c.what, what, time.Since(at), most)
	j.ok(c.what+": a LAN client fetches a file", x.fetch(f.public))
	j.ok(c.what+": connected", x.modemIs(limit, state(modem.Connected)))
	m, err := x.modem("4g")
	j.ok(c.what+": its status", err)
	j.say("     %s: %s, %s, ports %s, %s", m.Device, m.Profile, m.Data, strings.Join(m.Ports, " "), m.Operator)
}

// bar notes a measured time and whether it is within its bar.
func (j *judge) bar(scene, what string, got, most time.Duration) {
	var err error
	if got > most {
		err = fmt.Errorf("it took %v, the bar is %v", got, most)
	}
	j.rows = append(j.rows, fmt.Sprintf("| %s | %s | %.2f s | %v |", scene, what, got.Seconds(), most))
	j.ok(fmt.Sprintf("%s: %s: %v", scene, what, got.Round(10*time.Millisecond)), err)
}

// lost notes lost packets, of which there may be none.
func (j *judge) lost(scene, what string, lost, sent int) {
	var err error
	if lost > 0 || sent < 50 {
		err = fmt.Errorf("%d of %d lost", lost, sent)
	}
	j.rows = append(j.rows, fmt.Sprintf("| %s | %s | %d of %d | 0 |", scene, what, lost, sent))
	j.ok(fmt.Sprintf("%s: %s: %d of %d packets", scene, what, lost, sent), err)
}
