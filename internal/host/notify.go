package host

import (
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
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
// adds the time itself.
func Journald() bool { return os.Getenv("JOURNAL_STREAM") != "" }
