package simnet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"luatnetd/internal/lab"
	"luatnetd/router"
)

func TestMain(m *testing.M) { lab.Main(m) }

// twin is the model and a real kernel that get the same operations.
type twin struct {
	t     *testing.T
	model *Kernel
	real  *lab.NS
	isp   *lab.NS
}

var (
	devices = []string{"eth1", "eth2"}
	addrs   = []netip.Prefix{netip.MustParsePrefix("198.51.1.2/24"), netip.MustParsePrefix("198.51.2.2/24")}
)

// TestModelAgainstRealKernel gives random operations to the model and to a real
// kernel, and compares what they refuse and how they route.
func TestModelAgainstRealKernel(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.New(t)
		w := &twin{t: t, model: &Kernel{}, real: n.MustNS(t, "router"), isp: n.MustNS(t, "isp")}
		for _, d := range devices {
			n.MustLink(t, w.real, d, w.isp, d)
			w.model.AddDevice(d, Device{Up: true, Carrier: true, IgnoreLinkdown: true})
			if err := w.real.Sysctl("net/ipv4/conf/"+d+"/ignore_routes_with_linkdown", "1"); err != nil {
				t.Fatal(err)
			}
		}
		r := rand.New(rand.NewPCG(1, 76))
		for i := range devices {
			w.apply(router.AddAddr{AddrSpec: router.AddrSpec{Device: devices[i], Prefix: addrs[i]}})
		}
		for range 16 { // not from nothing: interesting states hold much
			if op := randomOp(r, r.IntN(2)); !strings.Contains(op.String(), " del ") {
				w.apply(op)
			}
		}
		w.compare("the start")
		for range 60 {
			what := w.step(r)
			w.compare(what)
			if t.Failed() {
				return
			}
		}
	})
}

// step changes both in the same way and returns in words how.
func (w *twin) step(r *rand.Rand) string {
	i := r.IntN(2)
	d := w.model.Devices[devices[i]]
	switch {
	case r.IntN(14) == 0 || !d.Carrier && r.IntN(3) == 0: // what is down does not stay so for long
		d.Carrier = !d.Carrier
		if err := w.isp.SetUp(devices[i], d.Carrier); err != nil {
			w.t.Fatal(err)
		}
		w.settle(i)
		return fmt.Sprintf("carrier of %s is %v", devices[i], d.Carrier)
	case r.IntN(25) == 0 || !d.Up && r.IntN(2) == 0:
		op := router.SetUp{Name: devices[i], Up: !d.Up}
		w.apply(op)
		w.settle(i)
		return op.String()
	}
	op := randomOp(r, i)
	if have := w.model.Routes; r.IntN(10) == 0 && len(have) > 0 {
		op = router.DelRoute{RouteSpec: have[r.IntN(len(have))]}
	}
	w.apply(op)
	return op.String()
}

func randomOp(r *rand.Rand, i int) router.Op {
	addr := router.AddrSpec{Device: devices[i], Prefix: addrs[i]}
	route := router.RouteSpec{
		Table: []uint32{router.TableMain, router.TableUplink + 1 + uint32(i)}[r.IntN(2)],
		Dst:   netip.MustParsePrefix([]string{"0.0.0.0/0", "0.0.0.0/0", "203.0.113.0/24"}[r.IntN(3)]), Gateway: addrs[i].Addr().Next(),
		Device: devices[i], Metric: uint32(router.MetricMain + []int{0, i, i + 2}[r.IntN(3)]), OnLink: true, Src: addrs[i].Addr(),
	}
	n := uint32(i + 1)
	rule := []router.RuleSpec{
		{Pref: router.PrefLocalFirst, Table: router.TableMain, Suppress: 0},
		{Pref: router.PrefOif + n, Table: router.TableUplink + n, Oif: devices[i], Suppress: -1},
		{Pref: router.PrefMark + n, Table: router.TableUplink + n, Mark: n << 8, Mask: 0x3f00, Suppress: -1},
		{Pref: router.PrefFrom + n, Table: router.TableUplink + n, From: netip.PrefixFrom(addrs[i].Addr(), 32), Suppress: -1},
	}[r.IntN(4)]
	switch n := r.IntN(100); {
	case n < 15:
		return router.AddAddr{AddrSpec: addr}
	case n < 18: // takes all routes along
		return router.DelAddr{AddrSpec: addr}
	case n < 60:
		return router.AddRoute{RouteSpec: route}
	case n < 65:
		return router.DelRoute{RouteSpec: route}
	case n < 92:
		return router.AddRule{RuleSpec: rule}
	}
	return router.DelRule{RuleSpec: rule}
}

// apply executes op in both; they must agree on refusing it. An operation's
// String is the ip command that does the same.
func (w *twin) apply(op router.Op) {
	w.t.Helper()
	_, again := op.(router.AddRoute)
	had := len(w.model.Routes)
	model := w.model.Apply(op)
	command := strings.Fields(op.String())
	if _, ok := op.(router.AddAddr); ok { // older ip programs know no protocol of addresses
		command = command[:len(command)-2]
	}
	out, real := w.real.Run(w.t.Context(), command[0], command[1:]...)
	if again && model == nil && len(w.model.Routes) == had && strings.Contains(out, "File exists") {
		real = nil // the applier takes this for success
	}
	if (model == nil) != (real == nil) {
		w.t.Errorf("%s: the model says %v, the kernel %v", op, model, real)
	}
	if model != nil && errors.Is(model, ErrExists) && !strings.Contains(out, "exists") && !strings.Contains(out, "already assigned") {
		w.t.Errorf("%s: the model says %v, the kernel %q", op, model, out)
	}
}

// settle waits until the kernel has told its routing of a change of carrier:
// linkwatch does that up to a second later.
func (w *twin) settle(i int) {
	w.t.Helper()
	d := w.model.Devices[devices[i]]
	want := d.Up && d.Carrier
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		state := strings.TrimSpace(w.real.MustRun(w.t, "cat", "/sys/class/net/"+devices[i]+"/operstate"))
		if (state == "up") == want {
			w.real.MustRun(w.t, "ip", "link", "set", devices[i], "mtu", "1500") // after it in the kernel's queue
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("%s is %q, want up: %v", devices[i], state, want)
		}
	}
}

// compare asks both for the way of every kind of packet.
func (w *twin) compare(after string) {
	w.t.Helper()
	far := netip.MustParseAddr("192.0.2.80") // behind defaults only; wan is behind a longer prefix too
	packets := []Packet{{Dst: wan}, {Dst: wan, Mark: 0x200}, {Dst: far}, {Dst: far, Mark: 0x100}, {Dst: far, Mark: 0x200}}
	for i, a := range addrs {
		packets = append(packets, Packet{Dst: far, Oif: devices[i]})
		up := w.model.Devices[devices[i]].Up
		for _, have := range w.model.Addrs {
			if have.Prefix == a && up { // from a foreign address the kernel refuses to ask
				packets = append(packets, Packet{Dst: far, Src: a.Addr()})
			}
		}
	}
	var script strings.Builder
	for _, p := range packets {
		script.WriteString(question(p) + " 2>/dev/null; echo ===;")
	}
	answers := strings.Split(w.real.MustRun(w.t, "sh", "-c", script.String()), "===")
	for i, p := range packets {
		want, _ := w.model.Lookup(p)
		if got := device(answers[i]); got != want {
			w.t.Errorf("after %s: %+v leaves by %q, the model says %q\n%s%s", after, p, got, want,
				w.real.MustRun(w.t, "ip", "rule"), w.real.MustRun(w.t, "ip", "route", "show", "table", "all"))
		}
	}
}

// question is the ip command that asks for the way of p.
func question(p Packet) string {
	s := "ip route get " + p.Dst.String()
	if p.Src.IsValid() {
		s += " from " + p.Src.String()
	}
	if p.Oif != "" {
		s += " oif " + p.Oif
	}
	if p.Mark != 0 {
		s += fmt.Sprintf(" mark %#x", p.Mark)
	}
	return s
}

// device returns the device in an answer of ip route get. Without a route but
// with a device the kernel takes the destination for a neighbour: an answer
// without "via".
func device(answer string) string {
	_, rest, via := strings.Cut(answer, " via ")
	_, rest, _ = strings.Cut(rest, " dev ")
	if !via {
		return ""
	}
	return strings.Fields(rest)[0]
}
