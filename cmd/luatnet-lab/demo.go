package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"luatnetd/internal/lab"
	"luatnetd/internal/status"
	"luatnetd/modem/modemtest"
)

// uplinks are the names of the uplinks in the configuration, in the order of
// the providers that they lead to. Long connections are shown with the first
// two, the cables.
var uplinks = []string{"wan", "wan2", mobile}

const (
	cables = 2
	mobile = "4g" // by the emulated modem
)

// configText is the gateway's configuration. The checks are quick, so that the
// story is short; everything else is as a user would write it.
const configText = `
# The gateway of luatnet-lab. Its devices live in a network namespace.

[[uplink]]                   # the order of the uplinks is their priority
name = "wan"
adapter = "LWIP_ETH"
device = "wan1"
address = "dhcp"
[uplink.check]
interval = "1s"              # "5s" without this line
timeout = "500ms"
fail_after = 3               # so many misses in a row: silently dead
recover_after = 2
hold_down = "1s"             # "10s" without this line

[[uplink]]
name = "wan2"
adapter = "LWIP_USER1"
device = "wan2"
address = "dhcp"
[uplink.check]
interval = "1s"
timeout = "500ms"
fail_after = 3
recover_after = 2
hold_down = "1s"

[[uplink]]
name = "4g"
adapter = "LWIP_GP"          # a 4G modem: this is all that one on USB needs
device = "wan3"              # its network device, and
metered = false              # checked as often as a cable: the story is short
[uplink.modem]
port = "PORT"                # its AT port: the emulated one is on a terminal, not on USB
[uplink.check]
interval = "1s"
timeout = "500ms"
fail_after = 3
recover_after = 2
hold_down = "1s"

[[lan]]
name = "lan"
ports = ["lan1"]
address = "192.168.5.1/24"   # DHCP and DNS are on by default

[time]
enabled = false              # this small internet has no time server
`

// failAfter and checkInterval repeat configText for the story's limits.
const (
	failAfter     = 3
	checkInterval = time.Second
)

// demo is the box with what the story needs around it.
type demo struct {
	*lab.Box
	say  *narrator
	dir  string
	log  *os.File        // of the daemon, all its runs
	life context.Context // of what runs beside the story; ended by stop
	stop context.CancelFunc
	peer sync.WaitGroup // the DHCP peers and what follows the daemon

	modem  *modemtest.Attached // nil in the story of long connections
	client *client             // in the LAN
	meter  *lab.UDPMeter       // running in the client between a step's do and its check
	opens  *lab.ConnMeter
	began  time.Time // of what the step measures

	// The part of the long connections; nil and zero in the gateway's story.
	servers  []*far
	uart     *device
	flow     *flow // running between a step's do and its check
	flowNext int   // the first number of the next flow
	twice    int   // messages that the servers had read twice before this step
}

// build makes the world and the configuration; nothing is started yet but the
// providers.
func build(opt options, say *narrator) (*demo, error) {
	if _, err := os.Stat(opt.binary); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s: \"make build\" makes it, --luatnetd PATH names another", opt.binary)
	}
	dir, err := shortDir()
	if err != nil {
		return nil, err
	}
	d := &demo{say: say, dir: dir, stop: func() {}}
	if err := d.build(opt); err != nil {
		d.close()
		return nil, err
	}
	say.line("lab", "%s providers, a web server, a gateway and a LAN client are built, in namespaces of their own", map[int]string{2: "two", 3: "three"}[len(d.ISPs)])
	say.line("lab", "the gateway's configuration is %s", d.Config)
	return d, nil
}

func (d *demo) build(opt options) (err error) {
	ways := len(uplinks)
	if opt.client {
		ways = cables
	}
	if d.Box, err = lab.NewBox(d.dir, opt.binary, ways); err != nil {
		return err
	}
	if opt.client {
		err = d.buildClient()
	} else {
		err = d.buildModem()
	}
	if err != nil {
		return err
	}
	path := opt.keepLog
	if path == "" {
		path = filepath.Join(d.dir, "luatnetd.log")
	}
	if d.log, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o644); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	for _, isp := range d.ISPs {
		d.background("provider "+isp.Name, func() error { return provide(ctx, isp) })
	}
	d.client = &client{NS: d.Client, say: d.say}
	d.life = ctx
	d.peer.Go(func() { d.follow(ctx) })
	return nil
}

// background runs a part of the lab beside the story and tells if it fails.
func (d *demo) background(name string, f func() error) {
	d.peer.Go(func() {
		if err := f(); err != nil {
			d.say.line("lab", "%s ended: %v", name, err)
		}
	})
}

// shortDir makes a directory whose path leaves room for a socket's, which ends
// at 107 bytes.
func shortDir() (string, error) {
	parent := os.TempDir()
	if len(parent) > 40 {
		parent = "/tmp"
	}
	return os.MkdirTemp(parent, "luatnet-lab")
}

// close ends every program and removes every file of the lab.
func (d *demo) close() {
	d.stop()
	d.endFlow()
	for _, s := range d.servers {
		s.kill()
	}
	if d.uart != nil {
		d.uart.close()
	}
	if d.Box != nil {
		d.Close()
	}
	if d.modem != nil { // after the daemon, which would miss it
		_ = d.modem.Close()
	}
	d.peer.Wait()
	if d.log != nil {
		_ = d.log.Close()
	}
	_ = os.RemoveAll(d.dir)
}

// power starts the daemon and waits until it answers.
func (d *demo) power(ctx context.Context) error {
	p, err := d.Gateway.StartCmd(d.log, exec.Command(d.Binary, "run", "-c", d.Config))
	if err != nil {
		return err
	}
	d.Daemon = p
	return until(ctx, 15*time.Second, func() error {
		select {
		case <-p.Done():
			return fmt.Errorf("the daemon ended: %w: %s", p.Err(), p.Output())
		default:
		}
		_, err := d.API.Status(ctx)
		return err
	})
}

// ready waits until an uplink may carry traffic.
func (d *demo) ready(ctx context.Context, limit time.Duration, name string) error {
	return until(ctx, limit, func() error {
		u, err := d.Uplink(name)
		if err == nil && !u.Verified {
			err = fmt.Errorf("%s is %s: %s", name, u.State, u.Reason)
		}
		return err
	})
}

// active waits until the daemon has decided on an uplink and the kernel
// follows it.
func (d *demo) active(ctx context.Context, limit time.Duration, name string) error {
	return until(ctx, limit, func() error {
		doc, err := d.API.Status(ctx)
		if err != nil {
			return err
		}
		if doc.Active != name || doc.Path != d.device(name) {
			return fmt.Errorf("traffic goes through %q by device %q, want %s (%s)", doc.Active, doc.Path, name, doc.Reason)
		}
		return nil
	})
}

// follow tells the daemon's events as they come, over all its runs.
func (d *demo) follow(ctx context.Context) {
	for ctx.Err() == nil {
		_ = d.API.Events(ctx, 0, true, func(e status.Event) { d.say.line("daemon", "%s", e.Text) })
		pause(ctx, 100*time.Millisecond) // it is not running, or has just ended
	}
}

// until calls f until it returns nil, at most for limit.
func until(ctx context.Context, limit time.Duration, f func() error) error {
	end := time.Now().Add(limit)
	for {
		err := f()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(end):
			return fmt.Errorf("%w (waited %v)", err, limit)
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
