package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"luatnetd/internal/config"
	"luatnetd/internal/ctl"
	"luatnetd/internal/host"
	"luatnetd/internal/journal"
	"luatnetd/internal/status"
	"luatnetd/internal/store"
	"luatnetd/internal/task"
	"luatnetd/modem/usb"
	"luatnetd/netif/probe"
	"luatnetd/netif/rtnl"
	"luatnetd/router"
	"luatnetd/router/dns/serve"
	"luatnetd/router/kernel"
)

// start reads the configuration and opens everything that can fail.
func start(opt Options) (*Engine, error) {
	cfg, notes, err := loadBoot(opt.ConfigFile)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		opt: opt, log: opt.Log, now: host.Now, cfg: cfg, marks: router.Marks(cfg.State.MarkMask), notes: notes,
		tasks: task.New(opt.Log), journal: journal.New(), prober: probe.New(probe.Options{Now: host.Now}),
		inbox: make(chan any, 64), seenOut: make(chan []byte, 1), started: host.Now(), namesStale: true,
	}
	e.clients.view.Store(&clientView{})
	e.modems.imeis, e.modems.levers = map[string]string{}, usb.NewLevers(sysfs, host.Sysfs{}.Write)
	if err := os.MkdirAll(opt.RunDir, 0o755); err != nil {
		return nil, fmt.Errorf("runtime directory: %w", err)
	}
	e.openState()
	e.loadOverride()
	e.loadSeen()
	if e.kernel, err = kernel.Open(e.kernelConfig()); err != nil {
		return nil, err
	}
	if e.rtnl, err = rtnl.Open(rtnl.Options{Log: opt.Log}); err != nil {
		return nil, errors.Join(err, e.kernel.Close())
	}
	e.checkRival()
	e.applier = kernel.NewApplier(e.kernel, opt.Log)
	e.applier.Diff = router.DiffRooms
	e.applier.Remember = func(h *router.Have, m kernel.Memory) {
		h.Killed, h.Original, h.Made = m.Killed, m.Original, m.Made
	}
	e.dns = serve.New(serve.Config{Now: host.Now, Log: opt.Log})
	return e, nil
}

// loadBoot reads the configuration file the way a box 2,000 km away needs it:
// one bad entry is dropped with a health code, never the rest.
func loadBoot(file string) (*config.Config, []note, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		text = nil
	} else if err != nil {
		return nil, nil, fmt.Errorf("configuration: %w", err)
	}
	cfg, dropped, err := config.ParseBoot(file, text)
	if err != nil && !errors.Is(err, config.ErrEmpty) {
		return nil, nil, fmt.Errorf("%w\nhint: \"luatnetd check %s\" shows it again", err, file)
	}
	var notes []note
	for _, p := range dropped {
		notes = append(notes, note{Code: status.HealthCode(p.Code()), Severity: "error", Entry: p.Entry, Text: p.String()})
	}
	if cfg.Empty() {
		notes = append(notes, emptyNote(file))
	}
	return cfg, notes, nil
}

// emptyNote says what to do while nothing is configured.
func emptyNote(file string) note {
	return note{Code: "config-empty", Severity: "notice",
		Text: "nothing is configured, so nothing is changed; write " + file + " (every key is in docs/config.md), try it with \"luatnetd check " + file + "\", then \"luatnetd ctl reload\""}
}

// openState finds a directory for what must outlive a reboot. Without one the
// daemon still runs; marks may then change their meaning at a restart.
func (e *Engine) openState() {
	e.stateDir = stateDir(e.opt, e.cfg)
	err := os.MkdirAll(e.stateDir, 0o755)
	if err == nil {
		e.lock, err = store.Acquire(filepath.Join(e.stateDir, "lock"))
	}
	if err != nil {
		e.note("state-dir", "error", "", "state is kept in "+e.opt.RunDir+" and lost at a reboot: "+err.Error())
		e.stateDir = e.opt.RunDir
	}
	if err := e.loadIndexes(); err != nil {
		e.note("state-indexes", "error", "", "uplink numbers are not kept: "+err.Error())
	}
}

// spawn starts the tasks that sense, apply and serve.
func (e *Engine) spawn(ctx context.Context) {
	e.ctx = ctx
	e.tasks.Go(ctx, "rtnl", e.rtnl.Run)
	applying, stop := context.WithCancel(ctx)
	e.stopApplier = stop
	e.applierDone = make(chan struct{})
	e.tasks.Go(applying, "applier", func(ctx context.Context) error {
		e.applier.Run(ctx)
		close(e.applierDone)
		return nil
	})
	e.tasks.Go(ctx, "dns", e.dns.Run)
	e.tasks.Go(ctx, "targets file", e.writeSeen)
	server := &ctl.Server{
		Socket: e.cfg.Control.Socket, Group: e.cfg.Control.Group, Log: e.log,
		Backend: ctl.Backend{Status: e.doc.Load, Follow: e.journal.Follow, Events: e.events, Do: e.do, Capture: e.capture, Clients: ctl.Clients{
			Connections: e.connectionList, Ports: e.portList, Servers: e.serverList, Trace: e.connectionTrace, Queue: e.queueStatus, Send: e.send, Receive: e.receive, Shoot: e.shoot, Time: e.clockStatus,
		}, Modems: ctl.Modems{
			List: e.modemList, Ask: e.askModem, Lease: e.leaseModem, SMS: e.modemSMS, Forget: e.forgetSMS, Export: e.exportModem,
		}},
	}
	e.tasks.Go(ctx, "control socket", server.Run)
	for _, n := range e.notes {
		e.log.Warn(n.Text, "code", n.Code)
	}
}
