package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"luatnetd/internal/config"
	"luatnetd/internal/ctl"
	"luatnetd/internal/host"
	"luatnetd/internal/journal"
	"luatnetd/internal/status"
	"luatnetd/internal/store"
	"luatnetd/internal/task"
	"luatnetd/netif"
	"luatnetd/netif/failover"
	"luatnetd/netif/health"
	"luatnetd/netif/probe"
	"luatnetd/netif/rtnl"
	"luatnetd/router"
	"luatnetd/router/dns/serve"
	"luatnetd/router/kernel"
)

// Options are what the command line gives.
type Options struct {
	ConfigFile string
	RunDir     string // for what a reboot may forget
	StateDir   string // for what outlives it, where the configuration names none
	Version    string
	Log        *slog.Logger
	Service    host.Service
}

// Engine is the daemon. Only its loop goroutine touches its fields, except
// where a comment says otherwise.
type Engine struct {
	opt   Options
	log   *slog.Logger
	now   func() time.Time
	cfg   *config.Config
	marks router.Marks

	tasks   *task.Group
	journal *journal.Journal
	kernel  *kernel.Kernel
	applier *kernel.Applier
	rtnl    *rtnl.Monitor
	prober  *probe.Prober
	dns     *serve.Server

	stopApplier context.CancelFunc
	applierDone chan struct{} // closed when the applier has let go of the kernel

	ctx      context.Context // of the tasks; ended by stop
	inbox    chan any        // capacity 64; a full one makes the sender wait, never the loop
	stateDir string
	lock     *store.Lock // nil where the state directory cannot be locked
	rival    string      // why the kernel is not touched, "" if it is

	snap     *netif.Snapshot
	uplinks  []*uplink // configuration order
	lans     []*lan
	indexes  map[string]netif.Index
	override override
	failover failover.State
	decision failover.Decision
	plan     router.Plan
	want     uint64 // sequence number of the newest job
	done     kernel.Result
	doneAt   time.Time
	pending  []pendingEvent // events that wait for the kernel to be as they say
	notes    []status.Code  // standing notes: configuration, state directory, …
	started  time.Time
	turns    uint64
	synced   time.Time // when the last full read was asked for
	settle   time.Time // end of the wait for inherited addresses
	ready    bool
	told     string // the newest line for the service manager

	releases     int       // RELEASEs that are on their way
	releaseUntil time.Time // end of the wait for them

	clients    clients
	modems     modems
	sleeper    host.Sleeper
	watchNext  time.Time // when the network watchdog is due
	restart    bool      // the network watchdog wants a new process
	timeFailed bool      // NTP_ERROR was recorded and no NTP_UPDATE since

	domains []string                   // of the LANs, as the DNS server knows them
	seen    map[string][]health.Target // what has answered on each uplink, ever
	seenOut chan []byte                // capacity 1: the newest file to write

	namesStale bool // local names or listeners changed since the DNS server heard of them

	doc atomic.Pointer[status.Document] // read by the control socket
}

// Run runs the daemon until ctx ends, then leaves the kernel as on_stop says.
// reload asks for a reload of the configuration file.
func Run(ctx context.Context, opt Options, reload <-chan struct{}) error {
	e, err := start(opt)
	if err != nil {
		return err
	}
	work, cancel := context.WithCancel(context.Background())
	defer cancel()
	e.spawn(work)
	e.loop(ctx, reload)
	e.opt.Service.Notify("STOPPING=1")
	err = e.stop(cancel)
	if e.restart {
		return errors.Join(ErrRestart, err)
	}
	return err
}

// record puts one event into the journal and the log: they come from the same
// transition, so they cannot disagree.
func (e *Engine) record(level slog.Level, kind status.EventKind, text string, attrs ...any) {
	ev := status.Event{At: host.Wall(e.now()), Kind: kind, Text: text, Attrs: map[string]string{}}
	for i := 0; i+1 < len(attrs); i += 2 {
		ev.Attrs[fmt.Sprint(attrs[i])] = fmt.Sprint(attrs[i+1])
	}
	e.journal.Add(ev)
	e.log.Log(context.Background(), level, text, append([]any{"event", kind}, attrs...)...)
}

// command is a request of the control socket on its way through the loop.
type command struct {
	ctl.Command
	reply chan<- answer // capacity 1
}

type answer struct {
	reply ctl.Reply
	err   error
}
