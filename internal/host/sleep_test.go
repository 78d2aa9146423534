package host

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/netif"
)

// machine is a Sleeper over files of a test.
func machine(t *testing.T, states, alarm string) Sleeper {
	t.Helper()
	dir := t.TempDir()
	s := Sleeper{RTC: filepath.Join(dir, "rtc0"), Power: filepath.Join(dir, "power")}
	for _, d := range []string{s.RTC, s.Power} {
		mustNil(t, os.Mkdir(d, 0o755))
	}
	mustNil(t, os.WriteFile(s.alarm(), []byte(alarm), 0o644))
	mustNil(t, os.WriteFile(s.state(), []byte(states), 0o644))
	return s
}

// TestSC02Able: a machine without a clock that wakes it, or without suspend to
// RAM, does not sleep, says why, and nothing is written.
func TestSC02Able(t *testing.T) {
	if err := machine(t, "freeze standby mem disk\n", "\n").Able(); err != nil {
		t.Errorf("a machine that can: %v", err)
	}
	for _, tt := range []struct {
		name string
		s    Sleeper
		gone func(Sleeper) string
		says string
	}{
		{"no RTC", machine(t, "mem", ""), Sleeper.alarm, "no clock"},
		{"no suspend", machine(t, "mem", ""), Sleeper.state, "cannot suspend"},
		{"not to RAM", machine(t, "freeze standby\n", ""), nil, "\"mem\""},
		{"a word that begins alike", machine(t, "memory\n", ""), nil, "\"mem\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.gone != nil {
				mustNil(t, os.Remove(tt.gone(tt.s)))
			}
			before := readAll(tt.s)
			for what, err := range map[string]error{"able": tt.s.Able(), "suspend": second(tt.s.Suspend(time.Minute))} {
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%s: %v, want %q", what, err, tt.says)
				}
			}
			if after := readAll(tt.s); after != before {
				t.Errorf("files before %q, after %q", before, after)
			}
		})
	}
}

func second(_ time.Duration, err error) error { return err }

func readAll(s Sleeper) string {
	a, _ := os.ReadFile(s.alarm())
	b, _ := os.ReadFile(s.state())
	return string(a) + "|" + string(b)
}

// TestSC02ForeignAlarm: an alarm of somebody else is neither changed nor slept
// through.
func TestSC02ForeignAlarm(t *testing.T) {
	s := machine(t, "mem", "1772359200\n")
	before := readAll(s)
	if _, err := s.Suspend(time.Minute); err == nil || !strings.Contains(err.Error(), "1772359200") {
		t.Errorf("suspend: %v, want that somebody has set it", err)
	}
	if after := readAll(s); after != before {
		t.Errorf("files before %q, after %q", before, after)
	}
}

// TestSC02Suspend: the alarm is set before the machine sleeps, and is off after.
// The files are pipes, which keep the order of what is written.
func TestSC02Suspend(t *testing.T) {
	s := machine(t, "mem", "")
	boot := time.Hour
	s.Now = func() time.Time { boot += 10 * time.Minute; return netif.Boot(boot) }
	slept, err := s.Suspend(90*time.Second + 500*time.Millisecond)
	if err != nil || slept != 10*time.Minute {
		t.Errorf("slept %s, %v", slept, err)
	}
	// A plain file keeps what was written last, over what was there.
	if got := readAll(s); got != "090|mem" {
		t.Errorf("wakealarm|state = %q: want \"0\" written over \"+90\", and \"mem\"", got)
	}

	// Who sleeps must have set its alarm: state is a pipe, its reader looks.
	mustNil(t, os.Remove(s.state()))
	mustNil(t, os.WriteFile(s.alarm(), nil, 0o644))
	mustNil(t, unix.Mkfifo(s.state(), 0o644))
	seen := make(chan string, 1)
	go func() {
		w, err := os.OpenFile(s.state(), os.O_WRONLY, 0) // answers Able
		if err == nil {
			_, _ = w.WriteString("freeze mem\n")
			_ = w.Close()
		}
		r, err := os.Open(s.state())
		if err != nil {
			seen <- err.Error()
			return
		}
		defer r.Close()
		word, _ := bufio.NewReader(r).ReadString('\n')
		alarm, _ := os.ReadFile(s.alarm())
		seen <- word + " with alarm " + string(alarm)
	}()
	_, err = s.Suspend(2 * time.Minute)
	mustNil(t, err)
	if got := <-seen; got != "mem with alarm 0120" && got != "mem with alarm +120" {
		t.Errorf("the kernel saw %q", got)
	}
}
