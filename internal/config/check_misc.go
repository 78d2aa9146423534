package config

import (
	"math/bits"
	"path"
	"strings"
)

// failover checks [failover]: its bounds are in the raw type.
func (c *checker) failover(r *rawFailover) Failover {
	return Failover{
		StartupGrace:     r.StartupGrace.or(defStartupGrace),
		FailOpen:         r.FailOpen.or(defFailOpen),
		AutoSocketSwitch: r.AutoSocketSwitch.or(defSocketSwitch),
	}
}

// maskBits is how many bits 62 uplinks and the untracked mark need.
const maskBits = 6

func (c *checker) state(r *rawState) State {
	s := State{Dir: r.Dir.or(DefaultStateDir), MarkMask: defMarkMask}
	if r.Dir.At != nil {
		c.absolute(r.Dir.At, s.Dir, DefaultStateDir)
	}
	if r.MarkMask.At == nil {
		return s
	}
	v := r.MarkMask.V
	m := uint32(v)
	if v < 0 || v > 1<<32-1 || bits.OnesCount32(m) != maskBits || m>>bits.TrailingZeros32(m) != 1<<maskBits-1 {
		c.wrong(r.MarkMask.At, "six adjacent bits of 32, such as 0x3f00", "all other bits of the marks belong to others, e.g. a VPN")
		return s
	}
	s.MarkMask = m
	return s
}

// absolute checks a path; such is an example.
func (c *checker) absolute(n *node, p, such string) bool {
	if !path.IsAbs(p) || path.Clean(p) != p || p == "/" || strings.ContainsRune(p, 0) {
		return c.wrong(n, "an absolute path such as "+quote(such), "without .. and without a slash at the end")
	}
	return true
}

// maxSocket is the longest path of a Unix socket: sun_path is 108 bytes with
// its final zero (linux/un.h).
const maxSocket = 107

func (c *checker) control(r *rawControl) Control {
	k := Control{Socket: r.Socket.or(DefaultSocket), Group: r.Group.V}
	if r.Socket.At != nil {
		switch {
		case len(k.Socket) > maxSocket:
			c.wrong(r.Socket.At, "a path of at most 107 bytes", "the kernel allows no more for a socket")
		default:
			c.absolute(r.Socket.At, k.Socket, DefaultSocket)
		}
	}
	if r.Group.At != nil && k.Group != "" && !validGroup(k.Group) {
		c.wrong(r.Group.At, "the name of a group, or \"\" for root only", "getent group shows them")
	}
	return k
}

// validGroup is the rule of useradd and groupadd (shadow's NAME_REGEX), or a number.
func validGroup(s string) bool {
	if len(s) > 32 || !only(strings.ToLower(strings.TrimSuffix(s, "$")), "_-.") {
		return false
	}
	return s[0] != '-' && s[0] != '.' && s != "$"
}
