package modemtest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is something that can go wrong.
type Fault struct {
	Name  string
	Doc   string // what it does, and its argument
	Group string // "sim", "network", "wire", "port", "bus", "dhcp", "ppp", "sms"
	// Refuses says why the fault cannot happen to a personality; "" if it can.
	Refuses func(Personality) string
	start   func(*Modem) // with the lock, when switched on
	stop    func(*Modem) // with the lock, when switched off
	once    bool         // an event: it is over as soon as it has happened
}

// active is a fault that is on.
type active struct {
	args  []string
	named map[string]string
	left  int // of "count="; -1 for ever
	stop  func(*Modem)
}

// Fault switches a fault on. Arguments are the fault's own, in order, and
//
//	for=30s     off by itself
//	port=2      on that interface only (faults of the wire)
//	count=3     for the next three commands (faults that hit commands)
//	until=reset off when the host does that: reopen, data, attach, radio,
//	            reset, rebind, power; each is ended by what is stronger, too
func (m *Modem) Fault(name string, args ...string) error {
	f, ok := FaultByName(name)
	if !ok {
		return fmt.Errorf("no fault %q", name)
	}
	if f.Refuses != nil {
		if why := f.Refuses(m.pers); why != "" {
			return fmt.Errorf("fault %s: %s: %s", name, m.pers.ID, why)
		}
	}
	a := &active{named: map[string]string{}, left: -1, stop: f.stop}
	for _, arg := range args {
		if key, value, found := strings.Cut(arg, "="); found {
			a.named[key] = value
		} else {
			a.args = append(a.args, arg)
		}
	}
	lasts, err := a.check()
	if err != nil {
		return fmt.Errorf("fault %s: %w", name, err)
	}
	m.lock()
	defer m.unlock()
	m.faults[name] = a
	m.changedLocked()
	if f.start != nil {
		f.start(m)
	}
	if f.once {
		delete(m.faults, name)
	}
	if lasts > 0 {
		m.alwaysAfter(lasts, func() {
			if m.faults[name] == a {
				m.clearLocked(name)
			}
		})
	}
	m.moveLocked()
	return nil
}

// check reads the arguments that every fault has.
func (a *active) check() (lasts time.Duration, err error) {
	for key, value := range a.named {
		switch key {
		case "for":
			lasts, err = time.ParseDuration(value)
		case "count":
			a.left, err = strconv.Atoi(value)
		case "port":
			_, err = strconv.Atoi(value)
		case "until":
			if cures[value] == nil {
				err = errors.New("nothing of that name can be done")
			}
		}
		if err != nil {
			return 0, fmt.Errorf("%s=%s: %w", key, value, err)
		}
	}
	return lasts, nil
}

// Clear switches a fault off; "" all of them.
func (m *Modem) Clear(name string) {
	m.lock()
	defer m.unlock()
	if name != "" {
		m.clearLocked(name)
		return
	}
	for n := range m.faults {
		m.clearLocked(n)
	}
}

// Active names the faults that are on, sorted.
func (m *Modem) Active() []string {
	m.lock()
	defer m.unlock()
	var out []string
	for name := range m.faults {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (m *Modem) clearLocked(name string) {
	a, on := m.faults[name]
	if !on {
		return
	}
	delete(m.faults, name)
	m.changedLocked()
	if a.stop != nil {
		a.stop(m)
	}
	m.moveLocked()
}

// changedLocked wakes those who wait for a fault.
func (m *Modem) changedLocked() {
	close(m.changed)
	m.changed = make(chan struct{})
	m.dataLocked()
}

// onLocked says whether a fault holds, on a port if it is given.
func (m *Modem) onLocked(name string, l *line) bool {
	a := m.faults[name]
	if a == nil || a.left == 0 {
		return false
	}
	if port, ok := a.named["port"]; ok && l != nil {
		return port == strconv.Itoa(l.spec.Interface)
	}
	return true
}

// spendLocked uses one of a fault's count up.
func (m *Modem) spendLocked(name string) {
	a := m.faults[name]
	if a == nil || a.left < 0 {
		return
	}
	if a.left--; a.left <= 0 {
		m.clearLocked(name)
	}
}

// cures is what a host can do, with all that each of them includes.
var cures = map[string][]string{
	"reopen": {"reopen"},
	"data":   {"data"},
	"attach": {"data", "attach"},
	"radio":  {"data", "attach", "radio"},
	"reset":  {"reopen", "data", "attach", "radio", "reset"},
	"rebind": {"reopen", "rebind"},
	"power":  {"reopen", "data", "attach", "radio", "reset", "rebind", "power"},
}

// cureLocked ends the faults that wait for this.
func (m *Modem) cureLocked(what string, l *line) {
	for name, a := range m.faults {
		until := a.named["until"]
		if until == "" || !slices.Contains(cures[what], until) {
			continue
		}
		if l == nil || m.onLocked(name, l) {
			m.clearLocked(name)
		}
	}
}

// argLocked is a fault's named argument.
func (m *Modem) argLocked(name, key string) (string, bool) {
	a := m.faults[name]
	if a == nil {
		return "", false
	}
	s, ok := a.named[key]
	return s, ok
}

// textLocked is a fault's argument i.
func (m *Modem) textLocked(name string, i int, def string) string {
	if a := m.faults[name]; a != nil && i < len(a.args) {
		return a.args[i]
	}
	return def
}

func (m *Modem) intLocked(name string, i, def int) int {
	if n, err := strconv.Atoi(m.textLocked(name, i, "")); err == nil {
		return n
	}
	return def
}

// durationLocked is a fault's first argument: "5s", or a number of seconds.
func (m *Modem) durationLocked(name string, def time.Duration) time.Duration {
	s := m.textLocked(name, 0, "")
	if d, err := time.ParseDuration(s); err == nil {
		return d
	}
	if n, err := strconv.Atoi(s); err == nil {
		return time.Duration(n) * time.Second
	}
	return def
}

// FaultByName is a fault of the table.
func FaultByName(name string) (Fault, bool) {
	for _, f := range Faults() {
		if f.Name == name {
			return f, true
		}
	}
	return Fault{}, false
}
