package config

import (
	"fmt"
	"slices"
	"strings"
)

// finding is a problem and the piece of the tree that ParseBoot leaves out.
type finding struct {
	Problem
	cut     *node // nil: the whole file
	forgive bool  // read it as it was meant instead of leaving it out
	stage   int
}

// The stages of checking. ParseBoot leaves out what an early stage found
// before it believes a later one: a duplicate of a broken entry is no duplicate.
const (
	stageDecode = iota // keys and types
	stageEntry         // one entry by itself
	stageCross         // names, devices and subnets of all entries
	stageRefs          // what leans on other entries: pools, hosts, forwards, names of uplinks
)

// report collects findings.
type report struct {
	file  string
	stage int
	found []finding
}

// bad reports a problem at n about the key at path. It returns false, so that
// a check can end with it.
func (r *report) bad(n *node, path, value, want, hint string) bool {
	cut, scope := unit(n, path)
	r.put(n, cut, scope, path, value, want, hint)
	return false
}

// wrong reports the value of n itself.
func (r *report) wrong(n *node, want, hint string) bool {
	return r.bad(n, n.path(), n.shown(), want, hint)
}

// slip reports what ParseBoot reads as it was meant instead of leaving it out.
func (r *report) slip(n *node, scope Scope, value, want, hint string) {
	r.put(n, n, scope, n.path(), value, want, hint)
	r.found[len(r.found)-1].forgive = true
}

// missing reports that the section parent lacks key.
func (r *report) missing(parent *node, key, want, hint string) bool {
	path := strings.TrimPrefix(parent.path()+"."+key, ".")
	cut, scope := unit(parent, path)
	if scope == ScopeKey { // the key to leave out has no node yet
		cut = &node{key: key, pos: parent.pos, at: parent.pos, parent: parent}
	}
	r.put(parent, cut, scope, path, "nothing", want, hint)
	return false
}

func (r *report) put(n, cut *node, scope Scope, path, value, want, hint string) {
	r.found = append(r.found, finding{
		Problem: Problem{File: r.file, Line: n.pos.Line, Col: n.pos.Col, Key: path, Value: value,
			Want: want, Hint: hint, Scope: scope, Entry: entryName(n)},
		cut: cut, stage: r.stage,
	})
}

// entries are the lists whose elements are left out as a whole, whatever is
// wrong in them: half a port forward is no port forward.
var entries = map[string]Scope{
	"lan.dhcp.host":   ScopeHost,
	"lan.dhcp.option": ScopeOption,
	"port_forward":    ScopeForward,
	"firewall.allow":  ScopeAllow,
	"connection":      ScopeConnection,
	"serial":          ScopeSource,
	"timer":           ScopeSource,
	"report":          ScopeSource,
	"local":           ScopeSource,
	"oneshot":         ScopeSource,
	"server":          ScopeServer,
	"route":           ScopeRoute,

	"uplink.modem.sim": ScopeSIM,
}

// identity are the keys of an uplink or LAN that say which network it is: no
// default can stand in for them.
var identity = map[string]Scope{
	"uplink.name": ScopeUplink, "uplink.adapter": ScopeUplink, "uplink.device": ScopeUplink, "uplink.match": ScopeUplink, "uplink.modem.match": ScopeUplink,
	"uplink.address": ScopeUplink, "uplink.gateway": ScopeUplink, "uplink": ScopeUplink,
	"lan.ports": ScopeLAN, "lan.device": ScopeLAN, "lan": ScopeLAN,
}

// unit finds the smallest piece around n that can be left out when the key at
// path is wrong.
func unit(n *node, path string) (*node, Scope) {
	for list, scope := range entries {
		if path == list || strings.HasPrefix(path, list+".") {
			if e := element(n, list); e != nil {
				return e, scope
			}
		}
	}
	if n.isItem() {
		return n, ScopeItem
	}
	key := path
	for _, section := range []string{"uplink.match", "uplink.modem.match"} {
		if strings.HasPrefix(path, section+".") { // half of it finds another device
			key = section
		}
	}
	if scope, ok := identity[key]; ok {
		list, _, _ := strings.Cut(key, ".")
		if e := element(n, list); e != nil {
			return e, scope
		}
	}
	if path == "version" && n.parent != nil {
		return nil, ScopeFile
	}
	return n, ScopeKey
}

// isItem reports whether n is an item of a list of values.
func (n *node) isItem() bool {
	return n.parent != nil && n.parent.kind == kindArray && n.kind != kindTable
}

// element returns the element of the list of tables at path that n is in.
func element(n *node, path string) *node {
	for ; n != nil; n = n.parent {
		if n.kind == kindTable && n.path() == path {
			return n
		}
	}
	return nil
}

// entryName names the entry that n is in, from the outside to the inside:
// "lan/printer". An entry without a usable name is its number, "lan/#2".
func entryName(n *node) string {
	var parts []string
	for ; n != nil && n.parent != nil; n = n.parent {
		if n.kind != kindTable || n.parent.kind != kindArray {
			continue
		}
		part := fmt.Sprintf("#%d", slices.Index(n.parent.items, n)+1)
		if name := n.child("name"); name != nil && name.kind == kindString && (validName(name.text) || validHostname(name.text) || validTag(name.text)) {
			part = name.text
		}
		parts = append(parts, part)
	}
	slices.Reverse(parts)
	return strings.Join(parts, "/")
}
