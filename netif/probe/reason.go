package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// reasonMax is the length of a reason in bytes: part of it may come from a peer.
const reasonMax = 160

// reason says for a person why a probe failed; "" for nil.
func (r Request) reason(err error) string {
	var text string
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, unix.ETIMEDOUT):
		text = fmt.Sprintf("no answer within %v", r.timeout())
	case errors.Is(err, errByGateway):
		text = err.Error()
	case errors.Is(err, unix.ECONNREFUSED):
		text = "nobody listens there"
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH):
		text = "no route through " + r.Device
	case errors.Is(err, unix.ENETDOWN):
		text = "device " + r.Device + " is down"
	default:
		text = plain(err).Error()
	}
	if len(text) > reasonMax {
		text = strings.ToValidUTF8(text[:reasonMax], "") + "…"
	}
	return text
}

// plain takes off the wrappers that only repeat addresses.
func plain(err error) error {
	var op *net.OpError
	for errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	return err
}

// limited is a connection whose calls can be given a time.
type limited interface{ SetDeadline(time.Time) error }

// limit makes calls on c end with ctx. The caller calls the function that it
// returns when it is done with c.
func limit(ctx context.Context, c limited) (stop func() bool) {
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(deadline) // a closed connection fails at its next use
	}
	return context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
}
