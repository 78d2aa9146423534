package drive

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/data"
	"luatnetd/modem/tty"
)

// Config is what a Driver is made of. The functions stand for what is outside:
// a test gives others.
type Config struct {
	Settings modem.Settings
	Profiles modem.Profiles
	Seed     uint64 // of the jitter
	Dir      string // holds the memory and the SMS of this modem, see files.go
	RunDir   string // holds what a reboot may forget: which device carries the session
	Now      func() time.Time
	Log      *slog.Logger

	// Dial opens a port; nil opens the tty of that path.
	Dial func(ctx context.Context, path string) (tty.Conn, error)
	// Terminal makes the file for pppd of a port that has dialled; nil takes the
	// port's own.
	Terminal func(tty.Conn) (*os.File, error)
	// Plane makes a data plane.
	Plane func(plan modem.DataPlan) (data.Plane, error)
	// Clean ends what the data plane left behind, of a modem that is not wanted
	// any more; nil is nothing.
	Clean func(ctx context.Context) error
	// Pull moves a lever outside the AT port; the device may be absent.
	Pull func(ctx context.Context, lever modem.Lever, device *modem.Device) error
	// Received is how many bytes a netdev has ever received; false: it is not there.
	Received func(netdev string) (uint64, bool)
}

// Outside is what the engine knows and the Driver must.
type Outside struct {
	Enabled bool
	Device  *modem.Device
	Lease   netip.Prefix // own address on the netdev, zero for none
	Path    modem.Path
}
