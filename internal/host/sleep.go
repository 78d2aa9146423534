package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sleeper suspends the machine to RAM and has its clock wake it. The fields are
// folders of sysfs.
type Sleeper struct {
	RTC   string           // "" for /sys/class/rtc/rtc0
	Power string           // "" for /sys/power
	Now   func() time.Time // since boot, suspend included; nil for Now
}

func (s Sleeper) alarm() string { return filepath.Join(or(s.RTC, "/sys/class/rtc/rtc0"), "wakealarm") }

func (s Sleeper) state() string { return filepath.Join(or(s.Power, "/sys/power"), "state") }

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// Able says why this machine cannot sleep, nil if it can.
func (s Sleeper) Able() error {
	if _, err := os.Stat(s.alarm()); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: there is no clock that can wake the machine", s.alarm())
	} else if err != nil {
		return err
	}
	b, err := os.ReadFile(s.state())
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: the kernel cannot suspend the machine", s.state())
	} else if err != nil {
		return err
	}
	if states := strings.Fields(string(b)); !slices.Contains(states, "mem") {
		return fmt.Errorf("%s: the machine cannot be suspended to RAM (\"mem\"), it can %q", s.state(), states)
	}
	return nil
}

// Suspend sleeps for d, of whole seconds, and returns how long it was. The
// kernel wakes the machine for other reasons, too. An alarm that somebody else
// has set is left alone, and the machine awake.
func (s Sleeper) Suspend(d time.Duration) (slept time.Duration, err error) {
	if err := s.Able(); err != nil {
		return 0, err
	}
	// Reads as a number only while an alarm is set (rtc_sysfs.c, wakealarm_show).
	if b, err := os.ReadFile(s.alarm()); err != nil {
		return 0, err
	} else if at := strings.TrimSpace(string(b)); at != "" {
		return 0, fmt.Errorf("%s: somebody has set it, to %s", s.alarm(), at)
	}
	// Relative to the RTC, which need not have the system's time or time zone.
	if err := write(s.alarm(), "+"+strconv.Itoa(int(d/time.Second))); err != nil {
		return 0, err
	}
	now := s.Now
	if now == nil {
		now = Now
	}
	began := now()
	if err = write(s.state(), "mem"); err == nil { // it is awake again
		slept = now().Sub(began)
	}
	return slept, errors.Join(err, write(s.alarm(), "0")) // it may have been woken earlier
}

// write writes to a file that is there: sysfs makes none.
func write(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
