package sock

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"luatnetd/client"
)

// uplink is a switch: on, the control block has a route.
type uplink struct {
	up   bool
	next chan struct{}
}

func (u *uplink) route() (Route, bool)     { return Route{}, u.up }
func (u *uplink) changed() <-chan struct{} { return u.next }
func (u *uplink) ctrl(cfg Config, log *[]string) *Ctrl {
	return NewCtrl(cfg, u.route, u.changed,
		func(s client.State) { *log = append(*log, s.String()) },
		func(e client.Event, ok bool) {
			*log = append(*log, strings.ToLower(e.String())+map[bool]string{true: "+", false: "-"}[ok])
		})
}

// LIB-01: each blocking call of libnet, its results and its time-out, as in the
// table of tuples; SOCK-04: the states and events on the way.
func TestLIB01Tuples(t *testing.T) {
	const soon = 50 * time.Millisecond
	ctx := t.Context()
	accepted := make(chan net.Conn, 4)
	port := serve(t, "127.0.0.1", func(c net.Conn) {
		accepted <- c
		buf := make([]byte, 1)
		_, _ = io.ReadFull(c, buf)
		time.Sleep(time.Millisecond)
	})
	var log []string
	u := &uplink{next: make(chan struct{})}
	c := u.ctrl(Config{Kind: client.TCP, Host: "127.0.0.1", Port: port}, &log)

	if c.WaitLink(ctx, soon) {
		t.Error("WaitLink without an uplink: true")
	}
	if s, name := c.State(); s != client.LinkOff || name != "LINK_OFF" {
		t.Errorf("state %d %s, want 0 LINK_OFF", s, name)
	}
	if c.Connect(ctx, soon) {
		t.Error("Connect without an uplink: true")
	}
	if sent, full := c.Tx(ctx, soon, []byte("x")); sent || full || c.Cause().Code != client.CodeNotConnected {
		t.Errorf("Tx while closed: %v, %v, %v; want false and not connected", sent, full, c.Cause())
	}
	if alive, event := c.Wait(ctx, soon); alive || event {
		t.Errorf("Wait while closed: %v, %v; want false, false", alive, event)
	}
	u.up = true
	if !c.WaitLink(ctx, 0) || !c.Connect(ctx, 0) {
		t.Fatalf("with an uplink: %v", c.Cause())
	}
	if c.Connect(ctx, soon) || c.Cause().Code != client.CodeInUse {
		t.Errorf("a second Connect: %v, want false and in use", c.Cause())
	}
	peer := <-accepted
	if alive, event := c.Wait(ctx, soon); !alive || event {
		t.Errorf("Wait without data: %v, %v; want true, false", alive, event)
	}
	c.Wake(true)
	if alive, event := c.Wait(ctx, 0); !alive || !event {
		t.Errorf("Wait, woken: %v, %v; want true, true", alive, event)
	}
	c.Wake(false)
	if alive, event := c.Wait(ctx, 0); alive || event {
		t.Errorf("Wait, asked to close: %v, %v; want false, false", alive, event)
	}
	_, _ = peer.Write([]byte("hello"))
	if alive, event := c.Wait(ctx, 5*time.Second); !alive || !event {
		t.Errorf("Wait with data: %v, %v; want true, true", alive, event)
	}
	buf := make([]byte, 64)
	if n, err := c.Rx(buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("Rx %q, %v", buf[:n], err)
	}
	if sent, full := c.Tx(ctx, 5*time.Second, []byte("x")); !sent || full {
		t.Errorf("LIB-02: Tx: %v, %v; want true, false: %v", sent, full, c.Cause())
	}
	if c.LocalIP().String() != "127.0.0.1" || len(c.RemoteIP()) != 1 {
		t.Errorf("LocalIP %s, RemoteIP %v", c.LocalIP(), c.RemoteIP())
	}
	if alive, event := c.Wait(ctx, 5*time.Second); alive || event || c.Cause().Code != client.CodeClosed {
		t.Errorf("Wait after the peer closed: %v, %v, %v; want false, false, closed", alive, event, c.Cause())
	}
	c.Close(ctx, 5*time.Second)
	want := "link- link- OFF_LINE link+ link+ WAIT_DNS CONNECTING ONLINE on_line+ event+ tx_ok+ event- DISCONNECTING OFF_LINE closed+"
	if got := strings.Join(log, " "); got != want {
		t.Errorf("states and events:\n%s, want\n%s", got, want)
	}
}

// Tx waits for the acknowledgement and gives up at its time-out; Close does not
// wait longer than its own.
func TestLIB02TxTimesOut(t *testing.T) {
	stay := make(chan struct{})
	port := serve(t, "127.0.0.1", func(net.Conn) { <-stay })
	defer close(stay)
	var log []string
	u := &uplink{up: true, next: make(chan struct{})}
	c := u.ctrl(Config{Kind: client.TCP, Host: "127.0.0.1", Port: port}, &log)
	if !c.Connect(t.Context(), 0) {
		t.Fatal(c.Cause())
	}
	if sent, full := c.Tx(t.Context(), 100*time.Millisecond, make([]byte, 16<<20)); sent || full || c.Cause().Code != client.CodeTimeout {
		t.Errorf("Tx to a peer that does not read: %v, %v, %v; want false and a time-out", sent, full, c.Cause())
	}
	c.Close(t.Context(), 50*time.Millisecond)
	if s, _ := c.State(); s != client.OffLine {
		t.Errorf("after Close: %v", s)
	}
}
