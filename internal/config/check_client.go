package config

import (
	"fmt"
	"path"
	"slices"
	"time"
)

// clientEntries checks the entries of long connections, each by itself.
func (c *checker) clientEntries() {
	cfg, raw := c.cfg, c.raw
	cfg.Connections = each(raw.Connections, c.connection)
	cfg.Serials = each(raw.Serials, c.serial)
	cfg.Timers = each(raw.Timers, c.timer)
	cfg.Reports = each(raw.Reports, c.statusReport)
	cfg.Locals = each(raw.Locals, c.local)
	cfg.Servers = each(raw.Servers, c.server)
	cfg.OneShots = each(raw.OneShots, c.oneShot)
	cfg.Watchdog = c.watchdog(&raw.Watchdog)
	cfg.Time = c.time(&raw.Time)
	cfg.Queue = QueueDirs{DiskDir: path.Join(cfg.State.Dir, "queue"), RunDir: defRunDir}
	for _, d := range []struct {
		v  val[string]
		to *string
	}{{raw.Queue.DiskDir, &cfg.Queue.DiskDir}, {raw.Queue.RunDir, &cfg.Queue.RunDir}} {
		if d.v.At != nil && d.v.V != "" && c.absolute(d.v.At, d.v.V, *d.to) {
			*d.to = d.v.V
		}
	}
}

func each[R, V any](raw []R, check func(*R) V) []V {
	var list []V
	for i := range raw {
		list = append(list, check(&raw[i]))
	}
	return list
}

// named is one name of the space that routes use.
type named struct {
	kind, name string
	at, entry  *node // at is nil where the name is a default
	pos        Position
}

// clientNamed lists the names that routes know, in the order in which they
// keep a name that several want.
func (c *checker) clientNamed() []named {
	var list []named
	add := func(kind, name string, v val[string], entry *node) {
		list = append(list, named{kind, name, v.At, entry, entry.pos})
	}
	for i := range c.cfg.Connections {
		add("connection", c.cfg.Connections[i].Name, c.raw.Connections[i].Name, c.raw.Connections[i].At)
	}
	for i := range c.cfg.Servers {
		add("server", c.cfg.Servers[i].Name, c.raw.Servers[i].Name, c.raw.Servers[i].At)
	}
	for i := range c.cfg.Serials {
		add("serial", c.cfg.Serials[i].Name, c.raw.Serials[i].Name, c.raw.Serials[i].At)
	}
	for i := range c.cfg.Timers {
		add("timer", c.cfg.Timers[i].Name, c.raw.Timers[i].Name, c.raw.Timers[i].At)
	}
	for i := range c.cfg.Reports {
		add("report", c.cfg.Reports[i].Name, c.raw.Reports[i].Name, c.raw.Reports[i].At)
	}
	for i := range c.cfg.Locals {
		add("local", c.cfg.Locals[i].Name, c.raw.Locals[i].Name, c.raw.Locals[i].At)
	}
	for i := range c.cfg.OneShots {
		add("oneshot", c.cfg.OneShots[i].Name, c.raw.OneShots[i].Name, c.raw.OneShots[i].At)
	}
	return list
}

// ctlName is the source and sink of luatnetd ctl send and recv.
const ctlName = "ctl"

// clientNames reports names that two entries have, and entries past the limit.
func (c *checker) clientNames() {
	names := claims{ctlName: "luatnetd ctl send and recv"}
	count := map[string]int{}
	for _, n := range c.clientNamed() {
		limit := maxEntries
		if n.kind == "connection" {
			limit = maxConnections
		}
		if count[n.kind]++; count[n.kind] > limit {
			c.bad(n.entry, n.kind, fmt.Sprintf("%s number %d", n.kind, count[n.kind]), fmt.Sprintf("at most %d", limit), "")
		}
		if n.name == "" {
			continue
		}
		if owner, ok := names.take(n.name, where(n.kind, n.name, n.pos)); !ok {
			hint := owner + " has it: connections, servers, ports and sources share their names"
			c.bad(firstNode(n.at, n.entry), n.kind+".name", quote(n.name), "each name once", hint)
		}
	}
	c.localPorts()
	c.paths()
}

// localPorts reports two sockets of this machine that want the same port.
func (c *checker) localPorts() {
	taken := claims{}
	for i := range c.cfg.Servers {
		s := &c.cfg.Servers[i]
		proto := "tcp"
		if s.Kind == "udp" {
			proto = "udp"
		}
		who := where("server", s.Name, s.Pos)
		if owner, ok := taken.take(fmt.Sprint(proto, s.Port, " ", s.LAN), who); !ok {
			c.bad(firstNode(c.raw.Servers[i].Port.At, c.raw.Servers[i].At), "server.port", fmt.Sprint(s.Port), "a port that no other server of this LAN has", owner+" has it")
		}
		taken.take(fmt.Sprint(proto, s.Port), who)
	}
	for i := range c.cfg.Connections {
		n := &c.cfg.Connections[i]
		proto := "tcp"
		if datagrams(n.Kind) {
			proto = "udp"
		}
		if n.LocalPort == 0 {
			continue
		}
		if owner, ok := taken.take(fmt.Sprint(proto, n.LocalPort), where("connection", n.Name, n.Pos)); !ok {
			c.wrong(c.raw.Connections[i].LocalPort.At, "a port that nobody else of this file has", owner+" has it; 0 takes any that is free")
		}
	}
}

// paths reports two entries that open the same file.
func (c *checker) paths() {
	taken := claims{c.cfg.Control.Socket: "the control socket"}
	for i := range c.cfg.Locals {
		l := &c.cfg.Locals[i]
		if owner, ok := taken.take(l.Path, where("local", l.Name, l.Pos)); !ok && l.Path != "" {
			c.wrong(c.raw.Locals[i].Path.At, "a path of its own", owner+" has it")
		}
	}
	for i := range c.cfg.Serials {
		s := &c.cfg.Serials[i]
		if owner, ok := taken.take(s.Device, where("serial", s.Name, s.Pos)); !ok && s.Device != "" {
			c.wrong(c.raw.Serials[i].Device.At, "a port that nobody else uses", owner+" has it")
		}
	}
}

// clientRefs checks what names other entries.
func (c *checker) clientRefs() {
	for i := range c.raw.Connections {
		c.leavesBy(c.raw.Connections[i].Uplink)
	}
	c.leavesBy(c.raw.Time.Uplink)
	for i := range c.raw.Servers {
		c.serverLAN(c.raw.Servers[i].LAN)
	}
	var connections []string
	for _, n := range c.cfg.Connections {
		connections = append(connections, n.Name)
	}
	for i := range c.raw.OneShots {
		if v := c.raw.OneShots[i].Connection; v.At != nil && !slices.Contains(connections, v.V) {
			c.wrong(v.At, "the name of a [[connection]]", didYouMean(v.V, connections))
		}
	}
	c.routes()
}

// leavesBy checks the name of an uplink. At boot a name that is none stays:
// the connection then waits, and does not leave by another uplink.
func (c *checker) leavesBy(v val[string]) {
	if v.At == nil || v.V == "" || v.At.forgiven || slices.Contains(c.uplinkNames(), v.V) {
		return
	}
	c.slip(v.At, ScopeName, quote(v.V), "the name of an uplink, or \"\" for the active one", c.uplinkHint(v.V))
}

func (c *checker) serverLAN(v val[string]) {
	switch {
	case v.At == nil || slices.Contains(c.lanNames(), v.V):
	case slices.Contains(c.uplinkNames(), v.V):
		c.wrong(v.At, "the name of a LAN", "this is an uplink: a server there would be open to the world; connect out with a [[connection]]")
	case len(c.cfg.LANs) == 0:
		c.wrong(v.At, "the name of a LAN", "no [[lan]] is configured")
	default:
		hint := didYouMean(v.V, c.lanNames())
		c.wrong(v.At, "the name of a LAN", hint)
	}
}

// routes reads the routes. Where they were written and none is left, nothing
// may pass: no route at all would let everything go everywhere.
func (c *checker) routes() {
	names := []string{ctlName}
	for _, n := range c.clientNamed() {
		if n.kind != "oneshot" && n.name != "" {
			names = append(names, n.name)
		}
	}
	for i := range c.raw.Routes {
		r := &c.raw.Routes[i]
		c.cfg.Routes = append(c.cfg.Routes, Route{Pos: r.At.pos, From: c.routeEnd(r.From, names), To: c.routeEnd(r.To, names)})
	}
	if c.raw.At != nil && c.raw.At.child("route") != nil && len(c.raw.Routes) == 0 {
		c.cfg.Routes = []Route{{From: []string{""}, To: []string{""}}}
	}
}

func (c *checker) routeEnd(v val[[]item], names []string) []string {
	var list []string
	for _, it := range v.V {
		if !slices.Contains(names, it.V) && !it.At.forgiven {
			hint := didYouMean(it.V, names)
			if hint == "" {
				hint = "the names are " + oneOf(names)
			}
			c.slip(it.At, ScopeRoute, quote(it.V), "the name of a connection, server, serial port, timer, report or local socket", hint)
		}
		list = append(list, it.V)
	}
	return list
}

var rungs = []string{"reconnect", "probe", "bounce", "modem", "restart", "reboot"}

// watchdog checks [watchdog]; writing the section switches it on.
func (c *checker) watchdog(r *rawWatchdog) Watchdog {
	w := Watchdog{Enabled: r.Enabled.or(r.At != nil), Timeout: r.Timeout.or(defWatchdog), Grace: r.Grace.or(defGrace), MaxWait: r.MaxWait.or(defMaxWait),
		RebootsPerDay: int(r.RebootsPerDay.or(defReboots)), DryRun: r.DryRun.V || r.DryRun.Bad, BlameNetwork: r.BlameNetwork.V, Device: r.Device.or(defWatchdogDevice)}
	if r.At != nil {
		w.Pos = r.At.pos
	}
	if r.Device.At != nil && w.Device != "" && !c.absolute(r.Device.At, w.Device, defWatchdogDevice) {
		w.Device = defWatchdogDevice
	}
	waits := []val[time.Duration]{r.Wait.Reconnect, r.Wait.Probe, r.Wait.Bounce, r.Wait.Modem, r.Wait.Restart, r.Wait.Reboot}
	last := -1
	chosen := rungs
	if r.Ladder.At != nil {
		chosen = nil
		for _, it := range r.Ladder.V {
			chosen = append(chosen, it.V)
		}
	}
	for _, name := range chosen {
		i := slices.Index(rungs, name)
		if i <= last {
			c.wrong(r.Ladder.At, "each once, in this order: "+oneOf(rungs), "the mild ones come first")
			break
		}
		last = i
		w.Ladder = append(w.Ladder, Step{name, waits[i].or(defWaits[i])})
	}
	if len(chosen) == 0 {
		c.wrong(r.Ladder.At, "at least one of "+oneOf(rungs), "enabled = false switches it off")
	}
	return w
}

func (c *checker) time(r *rawTime) Time {
	t := Time{Enabled: r.Enabled.or(true), Servers: defTimeServers, Port: uint16(r.Port.or(defTimePort)), Timeout: r.Timeout.or(defTimeTimeout),
		Retry: r.Retry.or(defTimeRetry), Interval: r.Interval.or(defTimeInterval), Uplink: r.Uplink.V}
	var list []string
	for _, it := range r.Servers.V {
		switch {
		case !validServer(it.V):
			c.bad(it.At, "time.servers", quote(it.V), "a name or address such as \"ntp.aliyun.com\"", "")
		case slices.Contains(list, it.V):
			c.bad(it.At, "time.servers", quote(it.V), "each server once", "")
		default:
			list = append(list, it.V)
		}
	}
	if r.Servers.At != nil && len(r.Servers.V) == 0 {
		c.wrong(r.Servers.At, "at least one server", "enabled = false asks none")
	}
	if len(list) > 0 {
		t.Servers = list
	}
	return t
}
