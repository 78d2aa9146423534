package host

import (
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// Service speaks to the service manager. Its zero value speaks to nobody.
type Service struct {
	// Watchdog is how often the manager wants to hear from us, 0 for never.
	Watchdog time.Duration
}

// NewService reads what the service manager put into the environment.
func NewService() Service {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		every = 0 // WATCHDOG_USEC is not a number: nobody will miss us
	}
	return Service{Watchdog: every}
}

// Notify sends a state such as "READY=1"; without a manager it does nothing.
func (Service) Notify(state string) { _, _ = daemon.SdNotify(false, state) }

// Journald reports whether standard error goes to the systemd journal, which
// adds the time itself and takes a level from a prefix (sd-daemon(3)). A
// program that was started by a service inherits JOURNAL_STREAM even where its
// standard error is a file or a terminal, so the file behind it is compared
// (systemd.exec(5), "$JOURNAL_STREAM").
func Journald() bool { return journal(os.Getenv("JOURNAL_STREAM"), os.Stderr) }

func journal(stream string, f *os.File) bool {
	var st unix.Stat_t
	if stream == "" || unix.Fstat(int(f.Fd()), &st) != nil {
		return false
	}
	return stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}
