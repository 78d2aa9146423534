package config

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// ErrEmpty is ParseBoot's answer to a file that configures nothing: no uplink, no
// LAN and no connection. It is no mistake, just the start: the daemon changes
// nothing and says what to do next.
var ErrEmpty = errors.New("the file configures neither an uplink nor a LAN nor a connection")

// ErrUnusable is ParseBoot's answer to a file whose every uplink, LAN and
// connection had to be left out.
var ErrUnusable = errors.New("no uplink, no LAN and no connection of the file can be used")

// Parse reads a configuration. file is only repeated in problems. Either the
// configuration is returned or all that is wrong with it, sorted by line; not
// both. A file without uplink and LAN is no problem: see Config.Empty.
func Parse(file string, text []byte) (*Config, Problems) {
	root, bad := parseTree(file, text)
	if bad != nil {
		return nil, Problems{*bad}
	}
	cfg, found := evaluate(file, root)
	if len(found) == 0 {
		return cfg, nil
	}
	list := make(Problems, len(found))
	for i := range found {
		list[i] = found[i].Problem
	}
	return nil, list.sorted()
}

// ParseBoot reads a configuration at the start of the machine, where refusing
// it would leave the LAN without a router. It leaves out the smallest piece
// that holds a problem (Problem.Scope) and returns what it left out; Code of
// each is its health code. The whole is refused, with an error, only if the
// file is not TOML or of an unknown version (the error is the Problems), if
// nothing of it can be used (ErrUnusable) or if it configures nothing
// (ErrEmpty, with a Config that holds the defaults).
func ParseBoot(file string, text []byte) (*Config, Problems, error) {
	root, bad := parseTree(file, text)
	if bad != nil {
		return nil, nil, Problems{*bad}
	}
	var dropped Problems
	for {
		cfg, found := evaluate(file, root)
		if len(found) == 0 {
			return verdict(cfg, dropped.sorted())
		}
		stage := slices.MinFunc(found, func(a, b finding) int { return cmp.Compare(a.stage, b.stage) }).stage
		found = slices.DeleteFunc(found, func(f finding) bool { return f.stage != stage })
		progress := false
		for _, f := range found {
			if f.cut == nil {
				return nil, dropped.sorted(), Problems{f.Problem}
			}
			progress = f.leaveOut() || progress
			dropped = append(dropped, f.Problem)
		}
		if !progress { // what was left out is still found: leave out what is around it
			if !found[0].widen() {
				return nil, dropped.sorted(), Problems{found[0].Problem}
			}
		}
	}
}

func verdict(cfg *Config, dropped Problems) (*Config, Problems, error) {
	switch {
	case !cfg.Empty():
		return cfg, dropped, nil
	case len(dropped) > 0:
		return nil, dropped, fmt.Errorf("%s: %w", cfg.File, ErrUnusable)
	}
	return cfg, nil, fmt.Errorf("%s: %w", cfg.File, ErrEmpty)
}

// leaveOut takes f's piece out of the tree, or forgives it, and reports
// whether that changed anything: several problems may share a piece.
func (f *finding) leaveOut() bool {
	n := f.cut
	if f.forgive {
		changed := !n.forgiven
		n.forgiven = true
		return changed
	}
	if n.cut {
		return false
	}
	n.cut = true
	if n.key != "" && n.parent.child(n.key) != n { // a key that was missing
		n.parent.add(n)
	}
	return true
}

// widen leaves out the next larger piece, short of the whole file.
func (f *finding) widen() bool {
	n := f.cut
	for n != nil && n.cut {
		n = n.parent
	}
	if n == nil || n.parent == nil {
		return false
	}
	n.cut = true
	return true
}

// evaluate decodes and checks the tree.
func evaluate(file string, root *node) (*Config, []finding) {
	r := &report{file: file}
	c := checker{report: r, raw: &rawConfig{}, cfg: &Config{File: file}}
	if !c.version(root) {
		return nil, r.found
	}
	decoder{r}.table(root, reflect.ValueOf(c.raw).Elem())
	c.stage = stageEntry
	c.entries()
	c.stage = stageCross
	c.cross()
	c.stage = stageRefs
	c.refs()
	return c.cfg, r.found
}

// version comes before everything: another version has other keys.
func (c *checker) version(root *node) bool {
	n := root.child("version")
	want := fmt.Sprintf("version = %d", Version)
	if n == nil {
		if len(root.items) > 0 { // nothing at all needs no version
			c.missing(root, "version", want, "write it at the top of the file")
		}
		return true
	}
	if n.cut {
		return true
	}
	if v, ok := n.number(); !ok || n.kind != kindInt || v != Version {
		return c.wrong(n, fmt.Sprint(Version), "this program reads version "+fmt.Sprint(Version)+" of the file; a newer file needs a newer luatnetd")
	}
	return true
}

// entries checks every entry by itself.
func (c *checker) entries() {
	cfg, raw := c.cfg, c.raw
	for i := range raw.Uplinks {
		cfg.Uplinks = append(cfg.Uplinks, c.uplink(&raw.Uplinks[i]))
	}
	for i := range raw.LANs {
		cfg.LANs = append(cfg.LANs, c.lan(&raw.LANs[i]))
	}
	cfg.OnStop = raw.OnStop.or(defOnStop)
	cfg.Firewall = c.firewall(&raw.Firewall)
	cfg.Failover = c.failover(&raw.Failover)
	cfg.State = c.state(&raw.State)
	cfg.Control = c.control(&raw.Control)
	c.clientEntries()
}
