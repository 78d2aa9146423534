package engine

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"luatnetd/internal/ctl"
)

func (e *Engine) use(name string, d time.Duration) (string, error) {
	if e.byName(name) == nil {
		return "", e.unknown("uplink", name)
	}
	e.override.use, e.override.until = name, time.Time{}
	if d > 0 {
		e.override.until = e.now().Add(d)
		return fmt.Sprintf("%s is preferred for %s", name, d), nil
	}
	return name + " is preferred until \"ctl auto\"", nil
}

func (e *Engine) setUplink(name string, down bool) (string, error) {
	if e.byName(name) == nil {
		return "", e.unknown("uplink", name)
	}
	if down {
		e.override.downUplinks[name] = true
		return "uplink " + name + " is closed", nil
	}
	delete(e.override.downUplinks, name)
	return "uplink " + name + " is open", nil
}

func (e *Engine) setLAN(name string, down bool) (string, error) {
	i := slices.IndexFunc(e.lans, func(l *lan) bool { return l.cfg.Name == name })
	if i < 0 {
		return "", e.unknown("LAN", name)
	}
	text := "LAN " + name + " is open"
	if delete(e.override.downLANs, name); down {
		e.override.downLANs[name] = true
		text = "LAN " + name + " is closed"
	}
	e.startLAN(e.lans[i])
	e.namesStale = true
	return text, nil
}

// probeNow is exnetif.check_network_status for one uplink: it asks for a round
// of probes, returns its number (0: nothing is probed) and demotes nothing by
// itself.
func (e *Engine) probeNow(name string) (string, uint64, error) {
	u := e.byName(name)
	if u == nil {
		return "", 0, e.unknown("uplink", name)
	}
	if !u.monitor.Probing() {
		return name + " is not probed: " + u.monitor.Verdict().Reason, 0, nil
	}
	started, _ := u.monitor.Rounds()
	u.monitor.Hint(e.now(), "asked by the operator")
	return "probing " + name + "; its state now: " + u.monitor.Verdict().State.String(), started + 1, nil
}

// renew asks the uplink's DHCP server to confirm the lease now.
func (e *Engine) renew(name string) (string, error) {
	u := e.byName(name)
	if u == nil {
		return "", e.unknown("uplink", name)
	}
	if u.client == nil {
		return "", &ctl.Error{Status: http.StatusConflict, Message: name + " has no DHCP client", Hint: "only uplinks with address = \"dhcp\" have a lease to renew"}
	}
	u.client.Renew()
	return "renewing the lease of " + name, nil
}

func (e *Engine) unknown(what, name string) error {
	var names []string
	for _, u := range e.uplinks {
		names = append(names, u.cfg.Name)
	}
	if what == "LAN" {
		names = nil
		for _, l := range e.lans {
			names = append(names, l.cfg.Name)
		}
	}
	return &ctl.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("there is no %s %q", what, name), Hint: "known: " + strings.Join(names, ", ")}
}
