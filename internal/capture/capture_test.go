package capture_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"luatnetd/internal/capture"
	"luatnetd/internal/lab"
	"luatnetd/internal/pcap"
)

func TestMain(m *testing.M) { lab.Main(m) }

// file is where a capture writes to.
type file struct {
	mu     sync.Mutex
	b      bytes.Buffer
	pushed int
}

func (f *file) Write(p []byte) (int, error) { f.mu.Lock(); defer f.mu.Unlock(); return f.b.Write(p) }

func (f *file) push() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pushed = f.b.Len()
	return nil
}

func (f *file) sent() int { f.mu.Lock(); defer f.mu.Unlock(); return f.pushed }

func (f *file) bytes() []byte { f.mu.Lock(); defer f.mu.Unlock(); return bytes.Clone(f.b.Bytes()) }

// world is a namespace with two wires, each to a machine that listens to UDP.
type world struct {
	t    *testing.T
	here *lab.NS
}

func newWorld(t *testing.T) *world {
	n := lab.New(t)
	w := &world{t: t, here: n.MustHere(t)}
	for i, wan := range []string{"wan1", "wan2"} {
		far := n.MustNS(t, wan)
		n.MustLink(t, w.here, wan, far, "eth0")
		for ns, addr := range map[*lab.NS]string{w.here: fmt.Sprintf("192.0.2%d.1/24", i), far: fmt.Sprintf("192.0.2%d.2/24", i)} {
			device := "eth0"
			if ns == w.here {
				device = wan
			}
			if err := ns.AddAddr(device, addr); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

// socket is a connected UDP socket to the machine of a wire, and its flow.
func (w *world) socket(wire int, port int) (net.Conn, pcap.Flow) {
	w.t.Helper()
	c, err := net.Dial("udp4", fmt.Sprintf("192.0.2%d.2:%d", wire-1, port))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c, pcap.Flow{
		Device: fmt.Sprintf("wan%d", wire), Proto: unix.IPPROTO_UDP,
		Local: netip.MustParseAddrPort(c.LocalAddr().String()), Remote: netip.MustParseAddrPort(c.RemoteAddr().String()),
	}
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_, err := c.Write([]byte(text))
	if errors.Is(err, unix.ECONNREFUSED) { // about the datagram before: this one was not sent
		_, err = c.Write([]byte(text))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a capture and returns how to end it.
func run(t *testing.T, c *capture.Capture, f *file) (end func() pcap.Summary) {
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan pcap.Summary, 1)
	go func() {
		s, err := c.Run(ctx, f, f.push)
		if err != nil {
			t.Errorf("run: %v", err)
		}
		got <- s
	}()
	return func() pcap.Summary {
		cancel()
		return <-got
	}
}

func wait(t *testing.T, what string, f func() error) {
	t.Helper()
	if err := lab.Poll(10*time.Second, f); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (f *file) has(text string) func() error {
	return func() error {
		if !bytes.Contains(f.bytes(), []byte(text)) {
			return fmt.Errorf("the file has no %q", text)
		}
		return nil
	}
}

// A flow that comes later, on another device, is seen from its first packet on;
// other sockets to the same server are not.
func TestFollowsItsFlows(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		before := sockets(t)
		f := &file{}
		c := capture.New(pcap.Default)
		one, flow1 := w.socket(1, 5000)
		other, _ := w.socket(1, 5000)
		c.Add(flow1)
		if f.sent() != 0 {
			t.Error("the head was sent before everything was in place")
		}
		end := run(t, c, f)
		wait(t, "the head is sent", func() error {
			if f.sent() < 24 {
				return errors.New("not yet")
			}
			return nil
		})
		say(t, one, "first on wan1")
		say(t, other, "NOT OURS")
		wait(t, "the first packet", f.has("first on wan1"))
		two, flow2 := w.socket(2, 5000)
		c.Add(flow2)
		say(t, two, "then on wan2")
		say(t, one, "last on wan1")
		wait(t, "the packet of the second device", f.has("then on wan2"))
		wait(t, "the first flow goes on", f.has("last on wan1"))
		again, flow3 := w.socket(1, 5000) // a second session on a device that is listened to already
		c.Add(flow3)
		say(t, again, "again on wan1")
		wait(t, "the second flow of a device", f.has("again on wan1"))
		s := end()
		if bytes.Contains(f.bytes(), []byte("NOT OURS")) {
			t.Error("the packet of another socket is in the file")
		}
		// Nobody listens on port 5000: each datagram is answered by an error that quotes it.
		if s.Packets < 4 || s.Packets > 8 || s.Bytes != len(f.bytes()) || s.Ended != "the reader has gone" || s.Missed != 0 || s.Faults != "" {
			t.Errorf("summary %+v of a file of %d bytes", s, len(f.bytes()))
		}
		c.Add(flow1) // too late: no socket is opened any more
		if after := sockets(t); after != before {
			t.Errorf("packet sockets before: %d, after: %d", before, after)
		}
	})
}

func TestEndsAtEachBound(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		for _, tt := range []struct {
			name  string
			set   func(*pcap.Bounds)
			ended string
			size  func(s pcap.Summary) bool
		}{
			{"bytes", func(b *pcap.Bounds) { b.Bytes = 1100 }, "1100 bytes", func(s pcap.Summary) bool { return s.Bytes <= 1100 && s.Bytes > 600 }},
			{"packets", func(b *pcap.Bounds) { b.Packets = 3 }, "3 packets", func(s pcap.Summary) bool { return s.Packets == 3 }},
			{"time", func(b *pcap.Bounds) { b.Time = 300 * time.Millisecond }, "300ms have passed", func(s pcap.Summary) bool { return true }},
		} {
			t.Run(tt.name, func(t *testing.T) {
				b, f := pcap.Default, &file{}
				tt.set(&b)
				c := capture.New(b)
				socket, flow := w.socket(1, 5001)
				c.Add(flow)
				stop := make(chan struct{})
				var talking sync.WaitGroup
				talking.Go(func() {
					for {
						select {
						case <-stop:
							return
						case <-time.After(time.Millisecond):
							_, _ = socket.Write([]byte(strings.Repeat("x", 200)))
						}
					}
				})
				s, err := c.Run(t.Context(), f, f.push)
				close(stop)
				talking.Wait()
				if err != nil || !strings.Contains(s.Ended, tt.ended) || !tt.size(s) || s.Bytes != len(f.bytes()) {
					t.Errorf("summary %+v of %d bytes, %v; want the end %q", s, len(f.bytes()), err, tt.ended)
				}
			})
		}
	})
}

// A packet is cut at the snapshot length and says how long it was.
func TestSnaplen(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		b, f := pcap.Default, &file{}
		b.Snaplen, b.Packets = 64, 1
		c := capture.New(b)
		socket, flow := w.socket(1, 5002)
		c.Add(flow)
		say(t, socket, strings.Repeat("s", 500))
		if _, err := c.Run(t.Context(), f, f.push); err != nil {
			t.Fatal(err)
		}
		got := f.bytes()
		if len(got) != 24+16+16+64 || got[24+8] != 80 || int(got[24+12])+int(got[24+13])<<8 != 16+528 {
			t.Errorf("the file has %d bytes, its record %x; want 120, 80 kept of 544", len(got), got[24:40])
		}
	})
}

// A reader that does not read must not hold up the connection, which calls Add.
func TestSlowReaderDoesNotHoldAdd(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		r, pipe := io.Pipe()
		f := &file{}
		var once sync.Once
		c := capture.New(pcap.Default)
		out := writer(func(p []byte) (n int, err error) {
			head := false
			once.Do(func() { head = true })
			if head {
				return f.Write(p)
			}
			return pipe.Write(p)
		})
		one, flow := w.socket(1, 5003)
		c.Add(flow)
		done := make(chan error, 1)
		go func() { _, err := c.Run(context.Background(), out, f.push); done <- err }()
		say(t, one, "nobody reads this")
		if _, err := r.Read(make([]byte, 1)); err != nil { // now the writer is within its write
			t.Fatal(err)
		}
		added := make(chan struct{})
		go func() { _, flow := w.socket(2, 5003); c.Add(flow); close(added) }()
		select {
		case <-added:
		case <-time.After(10 * time.Second):
			t.Error("Add waits for the reader")
		}
		_ = r.CloseWithError(errors.New("hung up"))
		if err := <-done; err == nil || !strings.Contains(err.Error(), "hung up") {
			t.Errorf("run: %v, want the writer's error", err)
		}
	})
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// An uplink's capture takes what its filter passes and ends with the device.
func TestDevice(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w := newWorld(t)
		f := &file{}
		c := capture.New(pcap.Default)
		if err := c.Device("nobody", nil); !errors.Is(err, unix.ENODEV) {
			t.Errorf("a device that is not there: %v, want ENODEV", err)
		}
		if err := c.Device("wan1", pcap.Host(netip.Addr{}, 5005, pcap.Default.Snaplen)); err != nil {
			t.Fatal(err)
		}
		got := make(chan pcap.Summary, 1)
		go func() { s, _ := c.Run(context.Background(), f, f.push); got <- s }()
		good, _ := w.socket(1, 5005)
		bad, _ := w.socket(1, 5006)
		say(t, bad, "another port")
		say(t, good, "the right port")
		wait(t, "the packet", f.has("the right port"))
		if err := w.here.SetUp("wan1", false); err != nil {
			t.Fatal(err)
		}
		if err := w.here.SetUp("wan1", true); err != nil { // it goes on
			t.Fatal(err)
		}
		wait(t, "a packet after the device was down", func() error {
			_, _ = good.Write([]byte("after all"))
			return f.has("after all")()
		})
		w.here.MustDo(t, func() error {
			l, err := netlink.LinkByName("wan1")
			if err != nil {
				return err
			}
			return netlink.LinkDel(l)
		})
		if s := <-got; s.Ended != "device wan1 is gone" || bytes.Contains(f.bytes(), []byte("another port")) {
			t.Errorf("summary %+v, want the end of the device, and no other port", s)
		}
	})
}

// sockets counts this process's packet sockets, as the kernel lists them.
func sockets(t *testing.T) (n int) {
	t.Helper()
	own := map[string]bool{}
	list, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		if s, err := os.Readlink(l); err == nil && strings.HasPrefix(s, "socket:[") {
			own[strings.Trim(s, "socket:[]")] = true
		}
	}
	b, err := os.ReadFile("/proc/thread-self/net/packet")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n")[1:] {
		if w := strings.Fields(line); len(w) > 8 && own[w[8]] {
			n++
		}
	}
	return n
}
