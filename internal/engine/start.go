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
	"luatnetd/internal/store"
	"luatnetd/internal/task"
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
		tasks: task.New(opt.Log), journal: journal.New(), prober: probe.New(),
		inbox: make(chan any, 64), started: host.Now(), namesStale: true,
	}
	if err := os.MkdirAll(opt.RunDir, 0o755); err != nil {
		return nil, fmt.Errorf("runtime directory: %w", err)
	}
	e.openState()
	e.loadOverride()
	e.kernel, err = kernel.Open(kernel.Config{RunDir: opt.RunDir, Marks: e.marks, Log: opt.Log})
	if err != nil {
		return nil, err
	}
	if e.rtnl, err = rtnl.Open(rtnl.Options{Protocol: router.Protocol, Now: host.Now, Log: opt.Log}); err != nil {
		return nil, errors.Join(err, e.kernel.Close())
	}
	e.applier = kernel.NewApplier(e.kernel, router.Diff, opt.Log)
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
	if err != nil {
		return nil, nil, err
	}
	var notes []note
	for _, p := range dropped {
		notes = append(notes, note{Code: p.Code, Severity: "error", Entry: p.Entry, Text: p.String()})
	}
	if len(cfg.Uplinks)+len(cfg.LANs) == 0 {
		notes = append(notes, note{Code: "config-empty", Severity: "notice",
			Text: "nothing is configured, so nothing is changed; write " + file + " (every key is in docs/config.md), try it with \"luatnetd check " + file + "\", then \"luatnetd ctl reload\""})
	}
	return cfg, notes, nil
}

// openState finds a directory for what must outlive a reboot. Without one the
// daemon still runs; marks may then change their meaning at a restart.
func (e *Engine) openState() {
	e.stateDir = e.cfg.State.Dir
	err := os.MkdirAll(e.stateDir, 0o755)
	if err == nil {
		e.lock, err = store.Lock(filepath.Join(e.stateDir, "lock"))
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
	e.tasks.Go(ctx, "applier", e.applier.Run)
	e.tasks.Go(ctx, "dns", e.dns.Run)
	e.tasks.Go(ctx, "nftables watch", e.kernel.Watch)
	server := &ctl.Server{
		Socket: e.cfg.Control.Socket, Group: e.cfg.Control.Group, Log: e.log,
		Backend: ctl.Backend{Status: e.doc.Load, Follow: e.journal.Follow, Events: e.events, Do: e.do},
	}
	e.tasks.Go(ctx, "control socket", server.Run)
	for _, n := range e.notes {
		e.log.Warn(n.Text, "code", n.Code)
	}
}

// stop leaves the kernel as on_stop says: "keep" changes nothing and releases
// nothing; "clean" takes away all that is ours.
func (e *Engine) stop(cancel context.CancelFunc) error {
	var err error
	if e.cfg.OnStop == config.OnStopClean && e.snap != nil {
		err = e.clean()
	}
	cancel()
	e.tasks.Wait()
	return errors.Join(err, e.kernel.Close(), e.rtnl.Close(), e.lock.Close())
}

func (e *Engine) clean() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	for _, u := range e.uplinks {
		if u.client != nil {
			u.client.Release(ctx)
		}
	}
	have, err := e.applier.Inspect(ctx, e.plan)
	if err != nil {
		return fmt.Errorf("read what is ours: %w", err)
	}
	var failed []error
	for _, f := range e.applier.Do(ctx, router.Clean(have)) {
		failed = append(failed, f)
	}
	return errors.Join(failed...)
}
