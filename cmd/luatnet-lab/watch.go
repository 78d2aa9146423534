package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"luatnetd/internal/lab"
)

// watch tells what the client feels until ctx ends: each silence, and each
// change of the way out as the server sees it.
func (d *demo) watch(ctx context.Context) {
	d.peer.Go(func() { d.watchWay(ctx) })
	d.client.Watch(ctx, fmt.Sprintf("%s:%d", lab.WebAddr, lab.EchoPort), func(s lab.Silence) {
		if s.Over {
			d.say.line("client", "packets come back again, after %s", words(s.Length))
		} else {
			d.say.line("client", "nothing comes back from the internet")
		}
	})
}

// watchWay opens a web page again and again and tells when the server sees the
// client come another way.
func (d *demo) watchWay(ctx context.Context) {
	var last netip.Addr
	for ctx.Err() == nil {
		seen, err := d.client.fetch(ctx)
		if err == nil && seen != last && ctx.Err() == nil {
			d.say.line("client", "reaches the internet through %s (server sees %s)", d.through(seen), seen)
			last = seen
		}
		pause(ctx, 250*time.Millisecond)
	}
}
