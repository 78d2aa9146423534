package host

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Now counts from boot, suspend included: the kernel says the same.
func TestNowCountsFromBoot(t *testing.T) {
	b, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Skipf("needs /proc/uptime to compare with: %v", err)
	}
	text, _, _ := strings.Cut(string(b), " ")
	up, err := time.ParseDuration(text + "s")
	if err != nil {
		t.Fatal(err)
	}
	// A container may show its own age in /proc/uptime, never more than the machine's.
	if got := time.Duration(Now().UnixNano()); got < up-time.Second {
		t.Errorf("Now is %v after boot, the kernel says %v", got, up)
	}
}

func TestNowNeverGoesBack(t *testing.T) {
	last := Now()
	for range 10000 {
		now := Now()
		if now.Before(last) {
			t.Fatalf("Now went back by %v", last.Sub(now))
		}
		last = now
	}
}

func TestWall(t *testing.T) {
	if w := Wall(time.Time{}); !w.IsZero() {
		t.Errorf("Wall(zero) = %v, want zero: nothing happened yet", w)
	}
	const slack = time.Second // a loaded machine may stop between two clocks
	for _, ago := range []time.Duration{0, time.Minute, -time.Hour} {
		before := time.Now()
		w := Wall(Now().Add(-ago))
		if d := w.Sub(before.Add(-ago)); d < -slack || d > slack {
			t.Errorf("Wall(%v ago) is off by %v", ago, d)
		}
	}
	a := Now()
	b := a.Add(1500 * time.Millisecond)
	if d := Wall(b).Sub(Wall(a)) - b.Sub(a); d < -slack || d > slack {
		t.Errorf("the distance of two instants changed by %v on its way to the wall clock", d)
	}
}

func TestBootID(t *testing.T) {
	id := BootID()
	if len(id) != 36 || strings.TrimSpace(id) != id {
		t.Errorf("BootID = %q, want 36 characters without white space", id)
	}
	if again := BootID(); again != id {
		t.Errorf("BootID changed from %s to %s without a boot", id, again)
	}
}

func TestServiceWithoutManager(t *testing.T) {
	for _, tc := range []struct {
		usec string
		want time.Duration
	}{{"", 0}, {"10000000", 10 * time.Second}, {"soon", 0}, {"-1", 0}} {
		t.Setenv("NOTIFY_SOCKET", "")
		t.Setenv("WATCHDOG_PID", "")
		t.Setenv("WATCHDOG_USEC", tc.usec)
		s := NewService()
		s.Notify("READY=1") // nobody listens: no error, no wait
		if s.Watchdog != tc.want {
			t.Errorf("WATCHDOG_USEC=%q: Watchdog = %v, want %v", tc.usec, s.Watchdog, tc.want)
		}
	}
}

func TestJournald(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	fi, err := w.Stat()
	if err != nil {
		t.Fatal(err)
	}
	st := fi.Sys().(*syscall.Stat_t)
	ours := fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	for _, tt := range []struct {
		stream string
		want   bool
	}{{ours, true}, {"", false}, {ours + "1", false}, {"0" + ours, false}, {"8", false}} {
		if got := journal(tt.stream, w); got != tt.want {
			t.Errorf("JOURNAL_STREAM=%q, standard error is %s: %v, want %v", tt.stream, ours, got, tt.want)
		}
	}
	t.Setenv("JOURNAL_STREAM", "")
	if Journald() {
		t.Error("no JOURNAL_STREAM, but Journald is true")
	}
}
