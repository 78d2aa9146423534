package host

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"luatnetd/internal/bind"
	"luatnetd/internal/lab"
	"luatnetd/internal/task"
)

// ntpServer answers on a loopback address as RFC 5905 figure 8 wants, or as
// wrongly as the test asks for.
type ntpServer struct {
	addr  netip.AddrPort
	asked atomic.Int32
	mode  atomic.Value // "ok", "mute", "origin", "kiss"
}

func startNTP(t *testing.T, ip string, port int, ahead time.Duration) *ntpServer {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(ip), Port: port})
	if err != nil {
		t.Skipf("needs the loopback address %s for its server: %v", ip, err)
	}
	s := &ntpServer{addr: c.LocalAddr().(*net.UDPAddr).AddrPort()}
	s.mode.Store("ok")
	t.Cleanup(func() { _ = c.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			s.asked.Add(1)
			if a := s.answer(buf[:n], ahead); a != nil {
				_, _ = c.WriteToUDPAddrPort(a, from)
			}
		}
	}()
	return s
}

func (s *ntpServer) answer(q []byte, ahead time.Duration) []byte {
	mode := s.mode.Load().(string)
	if mode == "mute" || len(q) < 48 {
		return nil
	}
	a := lab.NTPAnswer(q, time.Now().Add(ahead))
	switch mode {
	case "origin":
		a[24] ^= 0xff
	case "kiss":
		a[1] = 0
		copy(a[12:], "RATE")
	}
	return a
}

func sntp(servers []string, port uint16, events chan TimeEvent) *SNTP {
	return NewSNTP(SNTPConfig{
		Servers: servers, Port: port, Timeout: 300 * time.Millisecond, Try: 5 * time.Second, Retry: 20 * time.Millisecond, Interval: time.Hour,
		Bind: func() (bind.Bind, bool) { return bind.Bind{}, true }, Now: Now, Synced: func() bool { return false },
		Event: func(e TimeEvent) { events <- e },
	})
}

// TestNTP01 asks three servers: the first is mute, the second answers to
// somebody else's question, the third is right.
func TestNTP01(t *testing.T) {
	const ahead = 3*time.Hour + 250*time.Millisecond
	mute := startNTP(t, "127.0.0.1", 0, ahead)
	port := mute.addr.Port()
	mute.mode.Store("mute")
	liar := startNTP(t, "127.0.0.2", int(port), 0)
	liar.mode.Store("origin")
	startNTP(t, "127.0.0.3", int(port), ahead)
	events := make(chan TimeEvent, 16)
	s := sntp([]string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}, port, events)
	if _, ok := s.Time(); ok {
		t.Error("time is trusted before anybody answered")
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- s.Run(ctx) }()
	e := <-events
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if e.Err != nil || e.Server != "127.0.0.3" || !e.Valid {
		t.Fatalf("event %+v, want NTP_UPDATE from 127.0.0.3", e)
	}
	if d := e.Offset - ahead; d < -100*time.Millisecond || d > 100*time.Millisecond {
		t.Errorf("offset %v, want %v", e.Offset, ahead)
	}
	now, ok := s.Time()
	if d := now.Sub(time.Now().Add(ahead)); !ok || d < -100*time.Millisecond || d > 100*time.Millisecond {
		t.Errorf("Time is off by %v, trusted %v", d, ok)
	}
	if mute.asked.Load() != 1 || liar.asked.Load() != 1 {
		t.Errorf("asked the mute one %d and the liar %d times, want once each", mute.asked.Load(), liar.asked.Load())
	}
}

// TestNTP01Retries: NTP_ERROR, then again after a short while; a kick does not
// wait; who sends a kiss of death is left alone.
func TestNTP01Retries(t *testing.T) {
	a := startNTP(t, "127.0.0.1", 0, 0)
	a.mode.Store("mute")
	events := make(chan TimeEvent, 64)
	s := sntp([]string{"127.0.0.1"}, a.addr.Port(), events)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for range 2 {
		if e := <-events; e.Err == nil || e.Valid || strings.Contains(e.Err.Error(), "\n") {
			t.Fatalf("event %+v, want NTP_ERROR in one line", e)
		}
	}
	a.mode.Store("ok")
	for e := range events {
		if e.Err == nil {
			break
		}
	}
	cancel()
	<-done

	k := startNTP(t, "127.0.0.4", 0, 0)
	k.mode.Store("kiss")
	s = sntp([]string{"127.0.0.4"}, k.addr.Port(), events)
	for range 3 {
		if s.try(t.Context()) {
			t.Fatal("a kiss of death counted as time")
		}
	}
	if _, err := s.Sample(); k.asked.Load() != 1 || err == nil || !strings.Contains(err.Error(), "kiss of death") {
		t.Errorf("asked %d times after a kiss of death, error %v; want once", k.asked.Load(), err)
	}
}

// TestNTPYieldsToAnotherService: a synchronised system clock is believed and
// nobody is asked.
func TestNTPYieldsToAnotherService(t *testing.T) {
	a := startNTP(t, "127.0.0.1", 0, time.Hour)
	s := sntp([]string{"127.0.0.1"}, a.addr.Port(), make(chan TimeEvent, 1))
	s.cfg.Synced = func() bool { return true }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.Kick()
	now, ok := s.Time()
	if d := time.Until(now); !ok || d > time.Second || d < -time.Second {
		t.Errorf("Time is off by %v, trusted %v", d, ok)
	}
	cancel()
	if err := <-done; err != nil || a.asked.Load() != 0 {
		t.Errorf("%v; asked %d times", err, a.asked.Load())
	}
}

// TestNTPWithoutUplink says so instead of asking through whatever is there.
func TestNTPWithoutUplink(t *testing.T) {
	events := make(chan TimeEvent, 1)
	s := sntp([]string{"127.0.0.1"}, 1, events)
	s.cfg.Bind = func() (bind.Bind, bool) { return bind.Bind{}, false }
	if s.try(t.Context()) {
		t.Error("time without an uplink")
	}
	if _, err := s.Sample(); err == nil || !strings.Contains(err.Error(), "no usable uplink") {
		t.Errorf("error %v", err)
	}
	select {
	case e := <-events:
		t.Errorf("event %+v: a missing uplink is no news of the clock", e)
	default:
	}
}

// A panic while the time is told restarts the SNTP client only; what it knew
// stays, and it asks again.
func TestPanicRestartsTheClock(t *testing.T) {
	server := startNTP(t, "127.0.0.1", 0, time.Hour)
	events := make(chan TimeEvent, 16)
	s := sntp([]string{"127.0.0.1"}, server.addr.Port(), events)
	var once sync.Once
	s.cfg.Event = func(e TimeEvent) { once.Do(func() { panic("boom") }); events <- e }
	tasks := task.New(slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	tasks.Go(ctx, "time", s.Run)
	if e := <-events; e.Err != nil {
		t.Errorf("event %+v, want an update", e)
	}
	if st := tasks.States(); len(st) != 1 || st[0].Restarts != 1 || !st[0].Running {
		t.Errorf("tasks %+v, want one with one restart", st)
	}
	if _, ok := s.Time(); !ok {
		t.Error("the time is not trusted any more")
	}
	cancel()
	tasks.Wait()
}
