package dhcpsrv

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"luatnetd/netif"
)

// simClient keeps what a real client would: its lease and when it ends by its
// own clock, and whether it is switched on. It shares no code with the table.
type simClient struct {
	mac   netif.MAC
	addr  netip.Addr
	until time.Duration // of the world's clock; a client does not reboot with us
	on    bool
}

// world is the oracle: one clock that never jumps, and who believes to own what.
type world struct {
	*rig
	rnd     *rand.Rand
	clock   time.Duration // since the world began
	clients []*simClient
	served  int
}

// TestSimulatedWeeks: clients come, renew, sleep, leave and lose packets while
// the server is restarted, the machine rebooted and the pool changed. Never
// have two clients a valid lease on one address, and a client is only refused
// service while every address is in use.
func TestSimulatedWeeks(t *testing.T) {
	for seed := range int64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := &world{rig: newRig(t, small(12)), rnd: rand.New(rand.NewSource(seed))}
			for i := range 30 {
				w.clients = append(w.clients, &simClient{mac: mac(i + 1)})
			}
			begin := w.clock
			for w.clock-begin < 21*24*time.Hour {
				w.turn(t)
			}
			if w.served < 1000 {
				t.Errorf("%d leases in three weeks: the simulation does nothing", w.served)
			}
		})
	}
}

func (w *world) turn(t *testing.T) {
	step := time.Duration(w.rnd.Intn(600)) * time.Second
	w.clock += step
	w.after(step)
	w.answerARP()
	c := w.clients[w.rnd.Intn(len(w.clients))]
	valid := c.until > w.clock
	switch n := w.rnd.Intn(100); {
	case n < 2:
		w.restart(small(12), w.table.boot, w.now) // the daemon, kill -9
	case n < 3:
		off := time.Duration(w.rnd.Intn(7200)) * time.Second
		w.clock += off
		w.restart(small(12), fmt.Sprint("boot", w.clock), netif.Boot(time.Minute))
	case n < 15:
		c.on = !c.on
		w.answerARP()
	case n < 20 && valid && c.on:
		w.send(message(t, c.mac, releaseMsg, c.addr.String()))
		c.until = 0
	case n < 40 && valid && c.on:
		w.learn(t, c, w.request(c.mac, "", raw(50, c.addr.AsSlice()...)), c.addr)
	case valid && c.on:
		w.learn(t, c, w.request(c.mac, c.addr.String()), c.addr)
	case c.on:
		w.join(t, c)
	}
	w.check()
}

func (w *world) join(t *testing.T, c *simClient) {
	offer := w.discover(c.mac)
	if offer == nil {
		if n := w.believed(); n < 12 && !w.remembers() {
			t.Fatalf("no offer while %d of 12 addresses are in use: %+v", n, w.table.Leases(w.now))
		}
		return
	}
	if w.rnd.Intn(10) == 0 {
		return // the client went away
	}
	a := addr(offer.YourIPAddr)
	w.learn(t, c, w.request(c.mac, "", raw(50, a.AsSlice()...), server("192.168.5.1")), a)
}

// learn applies an answer to a client, and asks whether two own one address.
func (w *world) learn(t *testing.T, c *simClient, p *dhcpv4.DHCPv4, a netip.Addr) {
	switch kind(p) {
	case "NAK":
		c.until = 0
	case "ACK":
		if addr(p.YourIPAddr) != a {
			t.Fatalf("asked for %v, got %v", a, p.YourIPAddr)
		}
		for _, other := range w.clients {
			if other != c && other.on && other.until > w.clock && other.addr == a {
				t.Fatalf("%v and %v both have %v", other.mac, c.mac, a)
			}
		}
		c.addr = a
		c.until = w.clock + time.Duration(binary.BigEndian.Uint32(p.Options[51]))*time.Second
		w.served++
	}
	w.answerARP()
}

// answerARP makes every client that is on and has a lease answer for it.
func (w *world) answerARP() {
	clear(w.busy)
	for _, c := range w.clients {
		if c.on && c.until > w.clock {
			w.busy[c.addr] = c.mac
		}
	}
}

// believed is how many addresses clients own, by their own clocks.
func (w *world) believed() int {
	set := map[netip.Addr]bool{}
	for _, c := range w.clients {
		if c.until > w.clock {
			set[c.addr] = true
		}
	}
	return len(set)
}

// remembers reports whether the server still has to believe in leases that
// their clients gave up without a word, or holds offers.
func (w *world) remembers() bool {
	s := w.table.Stats()
	return s.Bound+s.Quarantined+s.Offered >= 12
}
