package serve_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	miekg "github.com/miekg/dns"
	"github.com/vishvananda/netlink"

	"luatnetd/internal/lab"
	"luatnetd/router/dns/serve"
)

// TestQ06Pipelining: 100 questions in one write, then FIN, as in RFC 7766
// §6.2.1.1; the answers come in the order in which they are found.
func TestQ06Pipelining(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		others := make(chan struct{}) // closed when all but the first are answered
		release := sync.OnceFunc(func() { close(others) })
		w.provider(w.ispA, a1, func(rw miekg.ResponseWriter, q *miekg.Msg) {
			if strings.HasPrefix(q.Question[0].Name, "n0.") {
				<-others
			}
			says("203.0.113.5")(rw, q)
		})
		t.Cleanup(release)
		s := w.serve(serve.Config{})
		s.SetUpstreams([]serve.Upstream{{Name: "wan", Device: "wan0", Servers: []netip.AddrPort{a1}}})
		c := w.dial(w.phone, "tcp", "192.168.5.1:53")
		var all []byte
		for i := range 100 {
			q := new(miekg.Msg).SetQuestion(fmt.Sprintf("n%d.example.com.", i), 1)
			q.Id = uint16(i)
			b, err := q.Pack()
			if err != nil {
				t.Fatal(err)
			}
			all = append(append(all, byte(len(b)>>8), byte(len(b))), b...)
		}
		if _, err := c.Write(all); err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got := map[uint16]bool{}
		var last uint16
		dc := &miekg.Conn{Conn: c}
		_ = c.SetReadDeadline(time.Now().Add(6 * time.Second))
		for range 100 {
			m, err := dc.ReadMsg()
			if err != nil {
				t.Fatalf("after %d answers: %v", len(got), err)
			}
			if address(m) != "203.0.113.5" {
				t.Errorf("answer %v", m)
			}
			if got[m.Id], last = true, m.Id; len(got) == 99 {
				release()
			}
		}
		if len(got) != 100 || last != 0 {
			t.Errorf("%d different answers, the last was %d; want the held one last", len(got), last)
		}
		if _, err := dc.ReadMsg(); err == nil {
			t.Error("the connection stays open after the last answer")
		}
	})
}

func TestQ07ConnectionsAreBounded(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.serve(serve.Config{})
		for range 20 { // one client: 8 are served
			w.dial(w.phone, "tcp", "192.168.5.1:53")
		}
		w.await("8 connections", func() bool { return s.Stats().Conns == 8 })
		if m, _ := w.ask("localhost."); address(m) != "127.0.0.1" {
			t.Errorf("UDP suffers: %v", m)
		}
	})
}

func TestListenersWaitForTheirDevice(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.serve(serve.Config{})
		late := netip.MustParseAddr("192.168.6.1")
		s.SetListen(append(onLAN, serve.Listen{Device: "lan1", Addr: late}))
		w.await("lan1 reported missing", func() bool {
			l := s.Stats().Listeners
			return len(l) == 2 && errors.Is(l[1].Err, syscall.ENODEV)
		})
		tablet := w.net.MustNS(t, "tablet")
		answers := func() bool {
			m, _, err := w.try(tablet, late, "localhost.", 300*time.Millisecond)
			return err == nil && address(m) == "127.0.0.1"
		}
		for _, round := range []string{"made", "made anew"} {
			w.wire("lan1", "192.168.6.1/24", tablet, "192.168.6.2/24")
			w.await("an answer on lan1, "+round, answers)
			l, err := netlink.LinkByName("lan1")
			if err == nil {
				err = netlink.LinkDel(l)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if m, _ := w.ask("localhost."); address(m) != "127.0.0.1" {
			t.Errorf("the other LAN suffers: %v", m)
		}
	})
}

func TestQ30NothingIsAnsweredOnAnUplink(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(serve.Config{})
		if err := w.ispA.AddRoute("192.168.5.0/24", "192.0.2.9"); err != nil {
			t.Fatal(err)
		}
		for _, at := range []string{"192.0.2.9", "192.168.5.1"} {
			if m, _, err := w.try(w.ispA, netip.MustParseAddr(at), "localhost.", 300*time.Millisecond); err == nil {
				t.Errorf("answered %v to the uplink's side at %s", m, at)
			}
			w.ispA.MustDo(t, func() error {
				if c, err := net.DialTimeout("tcp", at+":53", 300*time.Millisecond); err == nil {
					_ = c.Close()
					t.Errorf("took a TCP connection from the uplink's side at %s", at)
				}
				return nil
			})
		}
	})
}
