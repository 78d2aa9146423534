package engine

import (
	"context"

	"luatnetd/client/port"
	"luatnetd/internal/host"
)

// part is one task of the client framework: a connection, a server, a port, a
// source. It is replaced when its configuration changes, and only then.
type part struct {
	name   string // as configured
	cfg    any
	cancel context.CancelFunc
	done   chan struct{} // closed when it has let go of everything
	gone   func()        // takes it out of the hub
	conn   *connection
	server *server
	port   *port.Port
	shot   *oneshot
	clock  *host.SNTP
}

// wanted is what a part is made of.
type wanted struct {
	task string // "connection cloud"
	name string // as configured
	cfg  any
	make func(p *part) func(context.Context) error
}

// startPart runs a part as a task. It begins when its predecessor has let go:
// two must not have one port, one socket or one queue.
func (e *Engine) startPart(name string, p, old *part, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(e.ctx)
	p.cancel = cancel
	e.tasks.Go(ctx, name, func(ctx context.Context) error {
		if old != nil {
			select {
			case <-old.done:
			case <-ctx.Done():
				return nil
			}
		}
		return run(ctx)
	})
	e.tasks.Go(e.ctx, name+" (end)", func(context.Context) error {
		<-ctx.Done()
		p.end()
		close(p.done)
		return nil
	})
}

// end closes what a part holds besides its task.
func (p *part) end() {
	if p.conn != nil {
		p.conn.close()
	}
}
