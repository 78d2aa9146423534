package netns

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// sessions counts who is connected to a port of the virtual internet.
type sessions struct {
	mu   sync.Mutex // guards what follows
	open map[string]bool
	all  []string
	most int // at one time
	got  strings.Builder
}

// count serves a port until the test ends.
func (b *box) count(port string) *sessions {
	b.t.Helper()
	s := &sessions{open: map[string]bool{}}
	var l net.Listener
	b.Server.MustDo(b.t, func() (err error) {
		l, err = net.Listen("tcp4", lab.WebAddr+":"+port)
		return err
	})
	b.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.note(c.RemoteAddr().String(), true)
			go s.serve(c)
		}
	}()
	return s
}

func (s *sessions) serve(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		s.mu.Lock()
		s.got.Write(buf[:n])
		s.mu.Unlock()
		if err != nil {
			s.note(c.RemoteAddr().String(), false)
			return
		}
	}
}

func (s *sessions) note(peer string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !on {
		delete(s.open, peer)
		return
	}
	s.open[peer] = true
	s.most, s.all = max(s.most, len(s.open)), append(s.all, peer)
}

// one waits for a single session whose address begins with prefix.
func (s *sessions) one(prefix string) (peer string, err error) {
	err = lab.Poll(20*time.Second, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		for peer = range s.open {
		}
		if len(s.open) != 1 || !strings.HasPrefix(peer, prefix) {
			return fmt.Errorf("sessions %v, want one from %s", s.open, prefix)
		}
		return nil
	})
	return peer, err
}

// since waits until more than n sessions have come, and returns all.
func (s *sessions) since(n int) (all []string, err error) {
	err = lab.Poll(30*time.Second, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if all = slices.Clone(s.all); len(all) <= n {
			return fmt.Errorf("sessions %v, want more than %d", all, n)
		}
		return nil
	})
	return all, err
}

func (s *sessions) hears(text string) error {
	return lab.Poll(15*time.Second, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !strings.Contains(s.got.String(), text) {
			return fmt.Errorf("it got %q, not %q", s.got.String(), text)
		}
		return nil
	})
}

// tcpTo is a [[connection]] to a port of the virtual internet.
func tcpTo(name, port, more string) string {
	return fmt.Sprintf("\n[[connection]]\nname = %q\nhost = %q\nport = %s\nreconnect = \"1s\"\nreconnect_max = \"2s\"\n%s\n", name, lab.WebAddr, port, more)
}

// filesIn lists the files in the folders of the box whose path ends so.
func (b *box) filesIn(folder string) (list []string) {
	b.t.Helper()
	b.ok(filepath.WalkDir(filepath.Dir(b.Config), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(filepath.Dir(path), folder) {
			list = append(list, path)
		}
		return nil
	}))
	return list
}

// A reload makes anew what has changed and nothing else: the others keep their
// session, to the port. What was accepted by a connection that is taken out
// stays on disk and is sent when it comes back. LC-01, LC-04.
func TestReloadOfConnections(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		same, changed, old, next := b.count("46001"), b.count("46002"), b.count("46004"), b.count("46005")
		short := "\n[[oneshot]]\nname = \"short\"\nconnection = \"hourly\"\ntext = \"report\"\nreply_timeout = \"1s\"\n"
		hourly := tcpTo("hourly", "46004", "")
		head := static + tcpTo("same", "46001", "") + short
		b.write(head + tcpTo("changed", "46002", "") + tcpTo("gone", "46003", "") + hourly)
		b.start()
		session := func(s *sessions) string {
			t.Helper()
			peer, err := s.one("100.64.1.2:")
			b.ok(err)
			return peer
		}
		kept, was := session(same), session(changed)
		b.want(0, "accepted", "send", "gone", "kept over its absence") // nobody is at its server
		b.want(0, "", "oneshot", "short")
		b.ok(old.hears("report"))

		b.write("# every line moves\n" + head + tcpTo("changed", "46002", "prefix_send = false") + tcpTo("hourly", "46005", ""))
		b.reload()
		b.eventually(20*time.Second, "the changed one is made anew", func() error {
			if peer := session(changed); peer == was {
				return fmt.Errorf("it is still %s", was)
			}
			return nil
		})
		was = session(changed)
		b.want(0, "", "send", "changed", "without a prefix")
		b.ok(changed.hears("without a prefix"))
		if got := session(same); got != kept || len(same.all) != 1 {
			t.Errorf("the other one is %s of %v, want %s and its first", got, same.all, kept)
		}
		b.want(1, `no connection "gone"`, "connection", "gone", "trace")
		if list := b.filesIn("queue/gone"); len(list) == 0 {
			t.Error("the queue of the connection that was taken out has no file any more")
		}
		b.want(0, "", "oneshot", "short")
		b.ok(next.hears("report")) // the connection it borrows from has another port now

		b.ok(os.WriteFile(b.Config, []byte(head+tcpTo("changed", "0x", "")), 0o644))
		b.want(1, "the running configuration is unchanged", "reload")
		if got := session(same); got != kept || session(changed) != was {
			t.Errorf("after a reload that was refused the sessions are %s and %s, want %s and %s", got, session(changed), kept, was)
		}

		gone := b.count("46003")
		b.write(head + tcpTo("changed", "46002", "prefix_send = false") + tcpTo("gone", "46003", "") + tcpTo("hourly", "46005", ""))
		b.reload()
		b.ok(gone.hears("send from ctl: kept over its absence"))
		if got := session(same); got != kept || session(changed) != was {
			t.Errorf("after all reloads the sessions are %s and %s, want %s and %s", got, session(changed), kept, was)
		}
		for _, h := range b.status().Health {
			if h.Code == "task-restarting" {
				t.Errorf("status says %+v", h)
			}
		}
	})
}

// What a connection does when the active uplink changes is written per
// connection; one that is bound to an uplink never leaves it. LC-10, DEV-17.
func TestSwitchModes(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b := newBox(t, 2)
		follow, first, stay, bound := b.count("46001"), b.count("46002"), b.count("46003"), b.count("46004")
		b.write(static + tcpTo("follow", "46001", "") + tcpTo("first", "46002", `switch = "break_first"`) +
			tcpTo("stay", "46003", `switch = "stay"`) + tcpTo("bound", "46004", `uplink = "wan2"`))
		b.start()
		b.active(20*time.Second, "wan", "wan1")
		b.ready(15*time.Second, "wan2")
		from := func(s *sessions, prefix, name string) string {
			t.Helper()
			peer, err := s.one(prefix)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			return peer
		}
		from(follow, "100.64.1.2:", "follow")
		from(first, "100.64.1.2:", "break_first")
		stays, binds := from(stay, "100.64.1.2:", "stay"), from(bound, "100.64.2.2:", "bound")

		b.want(0, "", "use", "wan2")
		b.active(10*time.Second, "wan2", "wan2")
		from(follow, "100.64.2.2:", "follow, after the change")
		from(first, "100.64.2.2:", "break_first, after the change")
		if got := from(stay, "100.64.1.2:", "stay, after the change"); got != stays {
			t.Errorf("stay has the session %s, want its first %s: its uplink works", got, stays)
		}
		if got := from(bound, "100.64.2.2:", "bound, after the change"); got != binds {
			t.Errorf("bound has the session %s, want its first %s", got, binds)
		}
		if first.most != 1 {
			t.Errorf("break_first had %d sessions at one time, want 1", first.most)
		}
		if follow.most != 2 {
			t.Errorf("follow had %d sessions at one time, want 2: the new one is there before the old one ends", follow.most)
		}
		b.want(0, "", "auto")
		b.active(10*time.Second, "wan", "wan1")

		b.ok(b.ISPs[1].Cut())
		b.eventually(20*time.Second, "bound is without its uplink", func() error {
			s := &stage{box: b}
			c, err := s.connection("bound")
			if err == nil && c["state"] == "ONLINE" {
				err = fmt.Errorf("still ONLINE on %v", c["uplink"])
			}
			return err
		})
		b.ok(b.ISPs[1].Restore())
		all, err := bound.since(1)
		b.ok(err)
		for _, peer := range all {
			if !strings.HasPrefix(peer, "100.64.2.2:") {
				t.Errorf("bound was seen as %v: it left its uplink", all)
			}
		}
		b.noForeign()
	})
}
