package data

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"luatnetd/modem"
)

// Deadlines of a tool's calls.
const (
	firstCall = 5 * time.Second  // uqmi hangs on its first one now and then
	anyCall   = 15 * time.Second // a question to the modem
	dialCall  = 90 * time.Second // the network answers
)

// tool drives a modem over /dev/cdc-wdm by one program.
type tool interface {
	program() string
	// up starts data, and returns what down needs to end it. It returns that
	// also with an error: what was begun has to be ended.
	up(ctx context.Context, m *wdm) (modem.Bearer, []call, error)
	// settings asks again what the network gave.
	settings(ctx context.Context, m *wdm, calls []call) (modem.Bearer, error)
	down(ctx context.Context, m *wdm, calls []call) error
}

// call is a data call as its tool names it.
type call struct {
	Family string // "ipv4", "ipv6"; "" for both in one (MBIM)
	Client string // QMI client id, MBIM transaction
	Handle string // QMI packet data handle
}

// wdm is one control device and the program for it.
type wdm struct {
	plan modem.DataPlan
	env  Env
	path string // of the program
}

// run runs the program on the device.
func (m *wdm) run(ctx context.Context, limit time.Duration, args ...string) (string, error) {
	return run(ctx, limit, append([]string{m.path, "-d", m.plan.Control}, args...)...)
}

// dialled is the plane of QMI and MBIM: a program starts it, a program ends it.
type dialled struct {
	wdm
	tool    tool
	changes chan modem.DataChanged
	stop    chan struct{}
	asked   sync.Once
	done    chan struct{}
	running bool
}

// newDialled takes the first of these tools that is installed.
func newDialled(plan modem.DataPlan, env Env, tools ...tool) (Plane, error) {
	var names []string
	for _, t := range tools {
		names = append(names, t.program())
	}
	path, err := env.find(plan.Kind, names...)
	if err != nil {
		return nil, err
	}
	for _, t := range tools {
		if t.program() == filepath.Base(path) {
			return &dialled{
				wdm: wdm{plan, env, path}, tool: t,
				changes: make(chan modem.DataChanged, 2), stop: make(chan struct{}), done: make(chan struct{}),
			}, nil
		}
	}
	return nil, fmt.Errorf("%s is none of %s", path, strings.Join(names, ", "))
}

func (d *dialled) Changes() <-chan modem.DataChanged { return d.changes }

// note is what the next process must know of a session.
type note struct {
	Program, Control, Netdev, APN, PDPType string
	Calls                                  []call
}

func (d *dialled) note(calls []call) note {
	s := d.plan.Settings
	return note{d.tool.program(), d.plan.Control, d.plan.Netdev, s.APN, s.PDPType, calls}
}

func (d *dialled) file() string { return d.env.file("wdm.session") }

func (d *dialled) Start(ctx context.Context, _ *os.File) error {
	if err := d.checkSettings(); err != nil {
		return err
	}
	if err := os.MkdirAll(d.env.Dir, 0o700); err != nil {
		return err
	}
	d.begin(ctx, func(ctx context.Context) (modem.Bearer, []call, error) { return d.tool.up(ctx, &d.wdm) })
	return nil
}

// Adopt adopts a session whose note is there; the modem is asked whether it
// still stands, once.
func (d *dialled) Adopt(ctx context.Context) bool {
	var n note
	b, err := os.ReadFile(d.file())
	if err != nil || json.Unmarshal(b, &n) != nil || len(n.Calls) == 0 {
		return false
	}
	calls := n.Calls
	if n.Calls = nil; fmt.Sprint(n) != fmt.Sprint(d.note(nil)) {
		return false
	}
	d.begin(ctx, func(ctx context.Context) (modem.Bearer, []call, error) {
		bearer, err := d.tool.settings(ctx, &d.wdm, calls)
		return bearer, calls, err
	})
	return true
}

// begin brings the session up beside us, and keeps it until it is stopped or let go.
func (d *dialled) begin(ctx context.Context, up func(context.Context) (modem.Bearer, []call, error)) {
	d.running = true
	go func() {
		defer close(d.done)
		defer close(d.changes)
		cause, message := d.serve(ctx, up)
		if ctx.Err() == nil {
			d.tell(ctx, modem.DataChanged{Netdev: d.plan.Netdev, Cause: cause, Message: message})
		}
	}()
}

func (d *dialled) serve(ctx context.Context, up func(context.Context) (modem.Bearer, []call, error)) (modem.DataCause, string) {
	starting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // a stop ends the start, too
		select {
		case <-d.stop:
			cancel()
		case <-starting.Done():
		}
	}()
	bearer, calls, err := up(starting)
	stopped := starting.Err() != nil && ctx.Err() == nil
	if err == nil && !stopped {
		if err = d.flow(bearer, calls); err == nil {
			d.tell(ctx, modem.DataChanged{Up: true, Netdev: d.plan.Netdev, Bearer: bearer})
			select {
			case <-ctx.Done():
				return modem.DataOK, "" // let go
			case <-d.stop:
				stopped = true
			}
		}
	}
	// Also when we are let go in the middle: half a session cannot be adopted.
	end, cancelEnd := context.WithTimeout(context.WithoutCancel(ctx), anyCall)
	defer cancelEnd()
	if len(calls) > 0 {
		err = errors.Join(err, d.tool.down(end, &d.wdm, calls))
	}
	_ = os.Remove(d.file())
	switch {
	case stopped:
		return modem.DataAsked, ""
	case err == nil:
		return modem.DataPeer, ""
	}
	return Cause(err), words(err.Error())
}

// flow notes the session and lets its netdev carry data.
func (d *dialled) flow(bearer modem.Bearer, calls []call) error {
	if !bearer.Addr4.IsValid() && !bearer.Addr6.IsValid() {
		return refusedError{d.tool.program(), "the network gave no address"}
	}
	b, err := json.Marshal(d.note(calls))
	if err == nil {
		err = writePrivate(d.file(), string(b))
	}
	if err != nil {
		return err
	}
	return d.env.Link(d.plan.Netdev, true)
}

func (d *dialled) tell(ctx context.Context, c modem.DataChanged) {
	select {
	case d.changes <- c:
	case <-ctx.Done():
	}
}

func (d *dialled) Stop(ctx context.Context) error {
	if !d.running {
		return nil
	}
	d.asked.Do(func() { close(d.stop) })
	select {
	case <-d.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop %s: %w", d.tool.program(), ctx.Err())
	}
}

// checkSettings refuses what a tool could only take as an argument, where every
// process can read it, or would take for an option of its own.
func (d *dialled) checkSettings() error {
	s := d.plan.Settings
	if d.plan.Kind == modem.DataMBIM && d.secret() {
		return fmt.Errorf("%s takes a password only in its arguments, which every process can read: use another data plane, or an APN without one", d.tool.program())
	}
	for _, r := range s.APN {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", r) {
			return fmt.Errorf("APN %q: expected letters, digits, dots and dashes (TS 23.003 §9.1)", s.APN)
		}
	}
	if strings.HasPrefix(s.APN, "-") {
		return fmt.Errorf("APN %q: it cannot begin with a dash", s.APN)
	}
	return nil
}

// secret reports whether the access has what no argument may show. The modem's
// profile 1, which the AT port has written, has it then.
func (m *wdm) secret() bool { return m.plan.Settings.User != "" || m.plan.Settings.Password != "" }

// families are the IP families that the plan wants, IPv4 first.
func (m *wdm) families() []string {
	switch m.plan.Settings.PDPType {
	case "IPV6":
		return []string{"ipv6"}
	case "IPV4V6":
		return []string{"ipv4", "ipv6"}
	}
	return []string{"ipv4"}
}

// rawIP tells qmi_wwan whether frames have Ethernet headers. The device must be
// down for that (drivers/net/usb/qmi_wwan.c, raw_ip_store).
func (m *wdm) rawIP(raw bool) error {
	path := filepath.Join(m.env.Sysfs, "class/net", m.plan.Netdev, "qmi/raw_ip")
	b, err := os.ReadFile(path)
	if err != nil {
		if raw {
			return fmt.Errorf("the modem speaks raw IP, which the driver of %s does not: %w", m.plan.Netdev, err)
		}
		return nil // an old driver: Ethernet only
	}
	want := "N"
	if raw {
		want = "Y"
	}
	if strings.TrimSpace(string(b)) == want {
		return nil
	}
	if err := m.env.Link(m.plan.Netdev, false); err != nil {
		return err
	}
	return m.env.Write(path, []byte(want))
}

// number is s, if it is a number: tools answer with a sentence otherwise.
func number(program, s string) (string, error) {
	s = strings.TrimSpace(s)
	if _, err := strconv.ParseUint(s, 0, 32); err != nil {
		return "", refusedError{program, printable(strings.Trim(s, `"`))}
	}
	return s, nil
}
