package archtest

// kind of a room, as ARCHITECTURE.md gives it.
type kind string

const (
	pure   kind = "pure"
	effect kind = "effect"
	helper kind = "helper"
	wiring kind = "wiring"
	lab    kind = "lab"
)

// rooms is the table of ARCHITECTURE.md. A package that is not in it fails the
// test: a new room is one line here and one line there.
var rooms = map[string]kind{
	"cmd/luatnetd":        wiring,
	"cmd/luatnet-lab":     wiring,
	"netif":               pure,
	"netif/health":        pure,
	"netif/failover":      pure,
	"netif/lease":         pure,
	"netif/dhcp":          effect,
	"netif/rtnl":          effect,
	"netif/probe":         effect,
	"router":              pure,
	"router/kernel":       effect,
	"router/dns":          pure,
	"router/dns/serve":    effect,
	"dhcpsrv":             pure,
	"dhcpsrv/serve":       effect,
	"client":              pure,
	"client/queue":        effect,
	"client/conn":         effect,
	"client/port":         effect,
	"client/local":        effect,
	"client/serve":        effect,
	"client/sock":         helper,
	"client/hub":          helper,
	"internal/serial":     helper,
	"modem":               pure,
	"modem/filter":        pure,
	"modem/tty":           helper,
	"modem/usb":           helper,
	"modem/data":          helper,
	"modem/drive":         effect,
	"modem/gen":           wiring,
	"modem/modemtest":     lab,
	"internal/config":     pure,
	"internal/config/gen": wiring,
	"internal/status":     pure,
	"internal/engine":     wiring,
	"internal/ctl":        effect,
	"internal/host":       effect,
	"internal/journal":    effect,
	"internal/bind":       helper,
	"internal/rawsock":    helper,
	"internal/pcap":       pure,
	"internal/order":      pure,
	"internal/capture":    effect,
	"internal/store":      helper,
	"internal/task":       helper,
	"internal/lab":        lab,
	"internal/simnet":     lab,
	"internal/archtest":   lab,
}

// forbidden lists what pure code may not refer to: whole packages, or single
// functions and types ("pkg.Name"; a trailing * is a prefix).
var forbidden = []string{
	"os.*", "os/exec.*", "os/signal.*", "io/ioutil.*", "syscall.*",
	"net.Dial*", "net.Listen*", "net.Lookup*", "net.Interface*", "net.Resolve*", "net.File*",
	"net/http.*",
	"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.AfterFunc", "time.Tick", "time.NewTimer", "time.NewTicker",
	"math/rand.Int*", "math/rand.Float*", "math/rand.Perm", "math/rand.Shuffle", "math/rand.Seed", "math/rand.Read", "math/rand.Uint*",
	"math/rand/v2.Int*", "math/rand/v2.Uint*", "math/rand/v2.Float*", "math/rand/v2.Perm", "math/rand/v2.Shuffle", "math/rand/v2.N",
	"crypto/rand.*",
	"log.*", "log/slog.Info*", "log/slog.Warn*", "log/slog.Error*", "log/slog.Debug*", "log/slog.Default",
	"sync.*", "context.WithTimeout", "context.WithDeadline",
	"github.com/insomniacslk/dhcp/dhcpv4.New*",
}

// allowedFuncs are functions of golang.org/x/sys/unix that compute only; its
// types and constants are always allowed.
var allowedFuncs = map[string]bool{
	"golang.org/x/sys/unix.ByteSliceToString": true,
	// constructors of dhcpv4 that draw no random numbers
	"github.com/insomniacslk/dhcp/dhcpv4.NewIPMaskFromString": true,
}
