package engine

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"luatnetd/internal/capture"
	"luatnetd/internal/ctl"
	"luatnetd/internal/pcap"
)

// showSockets is how long a connection may take to say what sockets it has: its
// loop may be starting again.
const showSockets = 2 * time.Second

// capture answers the control socket on its own goroutine: the loop is not asked.
func (e *Engine) capture(ctx context.Context, t ctl.Tap, open func() (io.Writer, func() error)) (pcap.Summary, error) {
	c := capture.New(t.Bounds)
	if t.Uplink != "" {
		device, err := e.uplinkDevice(t.Uplink)
		if err == nil {
			err = c.Device(device, pcap.Host(t.Host, t.Port, t.Snaplen))
		}
		if err != nil {
			return pcap.Summary{}, err
		}
		out, push := open()
		return c.Run(ctx, out, push)
	}
	k, err := e.connection(t.Connection)
	if err != nil {
		return pcap.Summary{}, err
	}
	running, _ := k.parts()
	if running == nil {
		return pcap.Summary{}, &ctl.Error{Status: http.StatusConflict, Message: "connection " + t.Connection + " is not open yet", Hint: "try again in a second"}
	}
	showing, cancel := context.WithTimeout(ctx, showSockets)
	stop := running.Flows(showing, c.Add)
	cancel()
	defer stop()
	out, push := open()
	return c.Run(ctx, out, push)
}

// uplinkDevice is the device of an uplink as of the last turn.
func (e *Engine) uplinkDevice(name string) (string, error) {
	d := e.doc.Load()
	if d == nil {
		return "", &ctl.Error{Status: http.StatusServiceUnavailable, Message: "the daemon has not finished its first turn", Hint: "try again in a second"}
	}
	u := d.Uplink(name)
	if u == nil {
		return "", &ctl.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("there is no uplink %q", name), Hint: fmt.Sprintf("known: %v", d.UplinkNames())}
	}
	if !u.Present || u.Device == "" {
		return "", &ctl.Error{Status: http.StatusConflict, Message: "uplink " + name + " has no device now", Hint: "\"luatnetd ctl uplinks\" shows which one it waits for"}
	}
	return u.Device, nil
}
