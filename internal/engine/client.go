package engine

import (
	"context"
	"errors"
	"path/filepath"

	"luatnetd/internal/config"
	"luatnetd/internal/host"
	"luatnetd/internal/store"
	"luatnetd/netif/dhcp"
	"luatnetd/netif/lease"
)

// maxRecord bounds the file that remembers a lease.
const maxRecord = 64 << 10

// leaseEvent is what an uplink's DHCP client says.
type leaseEvent struct {
	name   string
	client *dhcp.Client
	dhcp.Event
}

// runClient keeps the uplink's DHCP client in step with its configuration and
// its device: a client belongs to one device.
func (e *Engine) runClient(u *uplink) {
	if u.client != nil && u.clientDevice != u.device {
		e.closeClient(u, false)
	}
	if u.cfg.Mode != config.ModeDHCP || u.device == "" || !u.modem.wantsDHCP() {
		return
	}
	if u.client == nil {
		if e.releasing(e.now()) {
			return // it may be of this very uplink, with the same file
		}
		e.openClient(u)
	}
	u.client.Link(e.dhcpLink(u))
}

func (e *Engine) openClient(u *uplink) {
	id, err := lease.ParseClientID(u.cfg.ClientID)
	if err != nil {
		id = lease.ClientID{} // auto; the configuration was checked
	}
	name := u.cfg.Name
	path := filepath.Join(e.stateDir, "lease-"+name)
	client := dhcp.New(dhcp.Config{
		Device: u.device, Now: e.now, Log: e.log.With("uplink", name),
		Lease: lease.Config{ClientID: id, Hostname: hostname(u.cfg.Hostname), Avoid: e.lanPrefixes(), Ours: e.lanMACs(), BootID: host.BootID()},
		Load: func() ([]byte, error) {
			b, err := store.ReadFile(path, maxRecord)
			if errors.Is(err, store.ErrMissing) {
				return nil, nil
			}
			return b, err
		},
		Save: func(b []byte) error { _, err := store.WriteFile(path, b, 0o600); return err },
	})
	ctx, cancel := context.WithCancel(e.ctx)
	u.client, u.clientDevice, u.stopClient = client, u.device, cancel
	e.tasks.Go(ctx, "dhcp "+name, client.Run)
	e.tasks.Go(ctx, "dhcp events "+name, func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case ev := <-client.Events():
				if !e.post(ctx, leaseEvent{name: name, client: client, Event: ev}) {
					return nil
				}
			}
		}
	})
}

// leased takes what a DHCP client says.
func (e *Engine) leased(ev leaseEvent) {
	u := e.byName(ev.name)
	if u == nil || u.client != ev.client {
		return // its client was replaced while the event was on its way
	}
	u.leaseState, u.inherits = ev.State, false
	e.setLease(u, ev.Lease, ev.Reason)
}
