package config

import (
	"net/netip"
	"time"
)

// The defaults, all of them. reference.toml shows each; a test compares.
const (
	defOnStop = "keep"

	defAdapter  = "LWIP_ETH"
	defAddress  = ModeDHCP
	defClientID = "auto"
	defDNSMode  = "append"

	defUSBMode  = "keep" // nothing of a modem's flash is changed unasked
	defRAT      = "keep"
	defData     = "auto"
	defPDPType  = "IP"
	defPowerOff = 5 * time.Second // a module's bulk capacitors hold it up for seconds

	defInterval        = 5 * time.Second
	defIntervalMiss    = time.Second // at most the interval
	defIntervalMetered = time.Minute // at least the interval
	defTimeout         = 2 * time.Second
	defFailAfter       = 3
	defRecoverAfter    = 2
	defHoldDown        = 10 * time.Second

	defLease  = 7680 * time.Second // 2h8m, LuatOS dhcpsrv.lua: option 51 = 0x1E00
	defDomain = "lan"

	defFirewallMode = "own"
	defICMPRate     = 10 // echo requests a second, as in the ruleset of the data path
	defIPv6         = "block"
	defAllowProto   = "any"
	defStartupGrace = 10 * time.Second
	defFailOpen     = true
	defSocketSwitch = true
	DefaultStateDir = "/var/lib/luatnetd"          // state.dir unless it, or the command line, says otherwise
	defMarkMask     = 0x3f00                       // router.DefaultMask; a test compares
	DefaultSocket   = "/run/luatnetd/control.sock" // what "luatnetd ctl" asks unless told otherwise
)

// defMethods are the kinds of probe without any word on them.
var defMethods = []string{MethodICMP, MethodTCP}

// defTargets are what is probed without any word on it. Literal addresses: a
// probe must not need DNS. Half of them answer well in China, half in the
// rest of the world; one that was never seen alive on an uplink cannot
// condemn it, so a mixed list does no harm.
var defTargets = map[string][]string{
	MethodICMP: {"icmp:223.5.5.5", "icmp:119.29.29.29", "icmp:114.114.114.114", "icmp:1.1.1.1", "icmp:8.8.8.8"},
	MethodTCP:  {"tcp:223.5.5.5:53", "tcp:119.29.29.29:53", "tcp:1.1.1.1:53", "tcp:1.1.1.1:443", "tcp:8.8.8.8:53"},
	MethodDNS:  {"dns:223.5.5.5:53", "dns:119.29.29.29:53", "dns:114.114.114.114:53", "dns:1.1.1.1:53", "dns:8.8.8.8:53"},
	MethodHTTP: { // the first two are what httpdns.lua asks
		"http:http://223.5.5.5/resolve?short=1&name=baidu.com",
		"http:http://119.29.29.29/d?dn=baidu.com",
		"http:http://1.1.1.1/cdn-cgi/trace",
	},
}

// The modem behind another chip (airlink_4G, LWIP_GP_GW) always has this
// address: LuatOS exnetif.lua.
var (
	defGPGWAddress = netip.MustParsePrefix("192.168.111.1/24")
	defGPGWGateway = netip.MustParseAddr("192.168.111.2")
)

// defLANs are the subnets for LANs without address, in order: LuatOS's
// 192.168.5.1/24 first, then the other /24 of 192.168. The low ones, which
// home routers and modems use on their own LAN (so on our uplinks), come last.
func defLANs() []netip.Prefix {
	var list []netip.Prefix
	for i := 5; i < 5+250; i++ {
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, byte(i), 1}), 24))
	}
	for i := range 5 {
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, byte(i), 1}), 24))
	}
	return list
}

// The pool without a word on it: .100 to .200, LuatOS dhcpsrv.lua.
const (
	defPoolFirst = 100
	defPoolLast  = 200
)
