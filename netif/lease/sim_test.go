package lease_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"luatnetd/netif"
	"luatnetd/netif/lease"
)

// into makes a world in each state.
var into = map[lease.State]func(t testing.TB, s *server) *world{
	lease.Down: func(t testing.TB, s *server) *world { return newWorld(t, lease.Config{}, nil, s) },
	lease.Init: func(t testing.TB, s *server) *world {
		s.nakAll = true
		w := newWorld(t, lease.Config{}, nil, s)
		w.step(up())
		w.run(15 * time.Second)
		s.nakAll = false
		return w
	},
	lease.Selecting: func(t testing.TB, s *server) *world {
		s.silent = true
		w := newWorld(t, lease.Config{}, nil, s)
		w.step(up())
		return w
	},
	lease.Requesting: func(t testing.TB, s *server) *world {
		s.only = func(m seen) bool { return m.kind == discover }
		w := newWorld(t, lease.Config{}, nil, s)
		w.step(up())
		w.until(lease.Requesting, time.Second)
		return w
	},
	lease.InitReboot: func(t testing.TB, s *server) *world {
		w := online(t, lease.Config{}, s)
		w.step(lease.Renew{})
		w.step(lease.LinkDown{})
		w.step(up())
		return w
	},
	lease.Rebooting: func(t testing.TB, s *server) *world {
		w := online(t, lease.Config{}, s)
		s.silent = true
		w.step(lease.LinkDown{})
		w.run(3 * time.Second)
		w.step(up())
		return w
	},
	lease.Checking: func(t testing.TB, s *server) *world {
		w := newWorld(t, lease.Config{}, nil, s)
		w.step(up())
		w.until(lease.Checking, time.Second)
		return w
	},
	lease.Bound: func(t testing.TB, s *server) *world { return online(t, lease.Config{}, s) },
	lease.Renewing: func(t testing.TB, s *server) *world {
		w := online(t, lease.Config{}, s)
		s.silent = true
		w.until(lease.Renewing, time.Hour)
		return w
	},
	lease.Rebinding: func(t testing.TB, s *server) *world {
		w := online(t, lease.Config{}, s)
		s.silent = true
		w.until(lease.Rebinding, time.Hour)
		return w
	},
	lease.Stopped: func(t testing.TB, s *server) *world {
		w := online(t, lease.Config{}, s)
		w.step(lease.Stop{})
		return w
	},
}

// events are what may happen in any state, at a bad moment.
var events = map[string]func(w *world, s *server){
	"link up again": func(w *world, _ *server) { w.step(up()) },
	"short flap": func(w *world, _ *server) {
		w.step(lease.LinkDown{})
		w.run(500 * time.Millisecond)
		w.step(up())
	},
	"long flap": func(w *world, _ *server) {
		w.step(lease.LinkDown{})
		w.run(time.Minute)
		w.step(up())
	},
	"gone": func(w *world, _ *server) {
		w.step(lease.LinkDown{Gone: true})
		w.step(lease.LinkDown{Gone: true})
		w.run(time.Second)
		w.step(up())
	},
	"other MAC and back": func(w *world, _ *server) {
		other := up()
		other.MAC[5] = 77
		w.step(other)
		w.run(time.Second)
		w.step(up())
	},
	"garbage":     func(w *world, _ *server) { w.step(lease.Packet{Payload: []byte("garbage")}) },
	"early timer": func(w *world, _ *server) { w.step(lease.Timer{}) },
	"late timer": func(w *world, _ *server) {
		w.now = w.now.Add(26 * time.Hour) // suspended
		w.step(lease.Timer{})
	},
	"renew":   func(w *world, _ *server) { w.step(lease.Renew{}) },
	"restart": func(w *world, _ *server) { w.step(lease.Restart{Reason: "test"}) },
	"avoid": func(w *world, _ *server) {
		w.step(lease.Avoid{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
		w.run(time.Minute)
		w.step(lease.Avoid{})
	},
	"stop":        func(w *world, _ *server) { w.step(lease.Stop{}) },
	"release":     func(w *world, _ *server) { w.step(lease.Release{}) },
	"our own ARP": func(w *world, _ *server) { w.step(lease.ARP{SenderMAC: ourMAC, Sender: firstAddr}) },
	"conflict": func(w *world, _ *server) {
		for range 3 {
			w.step(lease.ARP{SenderMAC: netif.MAC{2, 0, 0, 0, 0, 0x55}, Sender: firstAddr})
		}
	},
	"gateway's ARP": func(w *world, _ *server) { w.step(lease.ARP{SenderMAC: serverMAC, Sender: serverIP}) },
	"offer":         func(w *world, s *server) { w.inject(s, offer) },
	"ack":           func(w *world, s *server) { w.inject(s, ack) },
	"nak":           func(w *world, s *server) { w.inject(s, nak) },
}

// inject brings a message with the transaction id sent last.
func (w *world) inject(s *server, kind byte) {
	if len(w.sent) > 0 {
		w.step(lease.Packet{Payload: s.reply(kind, w.sent[len(w.sent)-1]).bytes(), From: s.mac})
		w.step(lease.Packet{Payload: s.reply(kind, w.sent[len(w.sent)-1]).bytes(), From: s.mac})
	}
}

// Every event in every state: the invariants hold at each step, and when all
// is well again the machine finds its way back.
func TestEveryStateAndEvent(t *testing.T) {
	for state := lease.Down; state <= lease.Stopped; state++ {
		for name, event := range events {
			t.Run(fmt.Sprintf("%v/%s", state, name), func(t *testing.T) {
				srv := newServer()
				w := into[state](t, srv)
				if got := w.m.Status().State; got != state {
					t.Fatalf("the test is in %v, wants %v", got, state)
				}
				event(w, srv)
				w.run(time.Second)
				srv.silent, srv.only = false, nil
				w.step(up())
				w.run(2 * time.Hour)
				end := w.m.Status()
				stopped := state == lease.Stopped || name == "stop" || name == "release"
				if stopped != (end.State == lease.Stopped) || !stopped && (w.held == nil || w.held.Addr.Addr() != srv.addr) {
					t.Errorf("two hours later: %v with %v", end.State, w.held)
				}
			})
		}
	}
}

// Days of a bad network. The server's own book is the judge: an address is
// never used longer than it says, and a healthy hour always ends BOUND.
func TestBadDays(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 99))
			srv := newServer()
			srv.seconds = []uint32{40, 120, 3600, 86400}[seed%4]
			w := newWorld(t, lease.Config{Defend: seed%3 == 0}, nil, srv)
			w.step(up())
			for range 60 {
				disturb(w, srv, rng)
				w.run(time.Duration(rng.Int64N(int64(2 * time.Hour))))
				if w.held != nil && w.held.Addr.Addr() == srv.addr && w.held.Expire.After(srv.granted.Add(time.Millisecond)) {
					t.Fatalf("%v: ends %v after the server's book", w.at(), w.held.Expire.Sub(srv.granted))
				}
			}
			w.lossOut, srv.loss, srv.silent, srv.nakAll, srv.delay = 0, 0, false, false, 5*time.Millisecond
			w.step(up())
			w.run(max(time.Hour, time.Duration(srv.seconds)*time.Second))
			if w.held == nil || w.held.Addr.Addr() != srv.addr {
				t.Fatalf("after a healthy time: %v with %+v, server gives %v", w.m.Status(), w.held, srv.addr)
			}
		})
	}
}

func disturb(w *world, srv *server, rng *rand.Rand) {
	switch rng.IntN(10) {
	case 0:
		srv.silent = !srv.silent
	case 1:
		srv.loss, w.lossOut = rng.Float64()/2, rng.Float64()/2
	case 2:
		srv.addr = netip.AddrFrom4([4]byte{192, 0, 2, byte(20 + rng.IntN(200))})
	case 3:
		srv.nakAll = !srv.nakAll
	case 4:
		w.step(lease.LinkDown{Gone: rng.IntN(4) == 0})
	case 5:
		w.step(lease.LinkDown{})
		w.run(time.Duration(rng.Int64N(int64(5 * time.Second))))
		w.step(up())
	case 6:
		srv.delay = time.Duration(rng.Int64N(int64(3 * time.Second)))
	case 7:
		w.step(lease.Renew{})
	case 8:
		srv.silent, srv.nakAll, srv.loss = false, false, 0
	case 9:
		w.step(lease.Restart{Reason: "modem"})
	}
	w.step(up())
}

// Flash wears: a month of renewals may write twice a lease, and not more than
// once in ten minutes.
func TestFewWrites(t *testing.T) {
	for seconds, limit := range map[uint32]int{86400: 62, 3600: 1500, 600: 4400} {
		srv := newServer()
		srv.seconds = seconds
		w := online(t, lease.Config{}, srv)
		w.run(30 * 24 * time.Hour)
		if len(w.records) > limit {
			t.Errorf("lease of %d s: %d writes in 30 days, want at most %d", seconds, len(w.records), limit)
		}
		if last := w.records[len(w.records)-1].Lease.Expire; seconds > 3000 && !last.After(w.now) {
			t.Errorf("lease of %d s: the record was over %v ago", seconds, w.now.Sub(last))
		}
		if len(w.lost) > 0 || len(w.bound) < 30 {
			t.Errorf("lease of %d s: lost %v, renewed %d times", seconds, w.lost, len(w.bound))
		}
	}
}

// The same events and the same random source give the same actions.
func TestDeterministic(t *testing.T) {
	run := func() string {
		srv := newServer()
		srv.loss = 0.3
		w := newWorld(t, lease.Config{}, nil, srv)
		w.step(up())
		w.run(24 * time.Hour)
		return fmt.Sprintf("%+v", w.log)
	}
	if first, second := run(), run(); first != second {
		t.Error("two runs differ")
	}
}

// FuzzPacket feeds what a hostile link may carry to every state.
func FuzzPacket(f *testing.F) {
	srv := newServer()
	for _, kind := range []byte{offer, ack, nak} {
		f.Add(uint8(1), srv.reply(kind, seen{}).bytes())
	}
	overloaded := answer{kind: ack, server: serverIP, options: map[byte][]byte{52: {3}, 121: {0, 10, 0, 0, 1}}}
	f.Add(uint8(8), overloaded.bytes())
	f.Fuzz(func(t *testing.T, state uint8, payload []byte) {
		srv := newServer()
		w := into[lease.State(state%uint8(lease.Stopped))](t, srv)
		if len(payload) >= 34 && len(w.sent) > 0 { // past the first checks
			copy(payload[4:], u32(w.sent[len(w.sent)-1].xid))
			copy(payload[28:], ourMAC[:])
		}
		w.step(lease.Packet{Payload: payload, From: serverMAC})
		w.run(20 * time.Minute)
	})
}
