package engine

import (
	"context"
	"time"
)

// releaseTimeout bounds the wait for a RELEASE to leave. It needs the address
// on the device, so no plan is made meanwhile; it takes milliseconds, unless the
// machine has no time for us.
const releaseTimeout = 2 * time.Second

// released is said when a RELEASE has left, or could not.
type released struct{}

// closeClient ends the client; release gives the address back first.
func (e *Engine) closeClient(u *uplink, release bool) {
	if u.client == nil {
		return
	}
	client, stop := u.client, u.stopClient
	u.client, u.stopClient, u.clientDevice = nil, nil, ""
	if !release {
		stop()
		return
	}
	e.releases++
	e.releaseUntil = e.now().Add(releaseTimeout)
	e.tasks.Go(e.ctx, "dhcp release "+u.cfg.Name, func(ctx context.Context) error {
		limited, cancel := context.WithTimeout(ctx, releaseTimeout)
		defer cancel()
		_ = client.Release(limited) // a server that is gone gets no word
		stop()
		e.post(ctx, released{})
		return nil
	})
}

// releasing reports whether an address must stay until a RELEASE has left.
func (e *Engine) releasing(now time.Time) bool {
	return e.releases > 0 && now.Before(e.releaseUntil)
}
