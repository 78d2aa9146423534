package config

import "time"

// val is a key as written. At is nil where the file does not have it.
type val[T any] struct {
	V   T
	At  *node // the key; nil: use the default
	Bad bool  // written, but already reported or left out
}

// absent reports whether the file says nothing about the key.
func (v val[T]) absent() bool { return v.At == nil && !v.Bad }

// or returns the value as written, or the default.
func (v val[T]) or(def T) T {
	if v.At == nil {
		return def
	}
	return v.V
}

func (v *val[T]) spoil() { v.Bad = true }

// item is one text of a list.
type item struct {
	V  string
	At *node
}

// ports is a port or a range of ports.
type ports struct{ First, Last uint16 }

// The raw types are the file as written. Tags: toml is the key; one its
// choices; range the lowest and highest value; need marks a key without
// default. Lists of text may be written as a single text.

type rawConfig struct {
	At       *node        `toml:"-"`
	Version  val[int64]   `toml:"version" need:"yes"`
	OnStop   val[string]  `toml:"on_stop" one:"keep clean"`
	Uplinks  []rawUplink  `toml:"uplink"`
	LANs     []rawLAN     `toml:"lan"`
	Forwards []rawForward `toml:"port_forward"`
	Firewall rawFirewall  `toml:"firewall"`
	Failover rawFailover  `toml:"failover"`
	State    rawState     `toml:"state"`
	Control  rawControl   `toml:"control"`

	Connections []rawConnection `toml:"connection"`
	Serials     []rawSerial     `toml:"serial"`
	Timers      []rawTimer      `toml:"timer"`
	Reports     []rawReport     `toml:"report"`
	Locals      []rawLocal      `toml:"local"`
	Servers     []rawServer     `toml:"server"`
	OneShots    []rawOneShot    `toml:"oneshot"`
	Routes      []rawRoute      `toml:"route"`
	Watchdog    rawWatchdog     `toml:"watchdog"`
	Time        rawTime         `toml:"time"`
	Queue       rawQueueDirs    `toml:"queue"`
}

type rawUplink struct {
	At       *node       `toml:"-"`
	Name     val[string] `toml:"name" need:"yes"`
	Adapter  val[string] `toml:"adapter"`
	Device   val[string] `toml:"device"`
	Match    rawMatch    `toml:"match"`
	Address  val[string] `toml:"address"`
	Gateway  val[string] `toml:"gateway"`
	ClientID val[string] `toml:"client_id"`
	Hostname val[string] `toml:"hostname"`
	DNS      val[[]item] `toml:"dns"`
	DNSMode  val[string] `toml:"dns_mode" one:"append replace"`
	MTU      val[int64]  `toml:"mtu" range:"576 9216"`
	Metered  val[bool]   `toml:"metered"`
	Check    rawCheck    `toml:"check"`
	Power    val[string] `toml:"power"`
	Modem    rawModem    `toml:"modem"`
}

type rawMatch struct {
	At     *node       `toml:"-"`
	Path   val[string] `toml:"path"`
	MAC    val[string] `toml:"mac"`
	Driver val[string] `toml:"driver"`
}

type rawCheck struct {
	At              *node              `toml:"-"`
	Method          val[[]item]        `toml:"method" one:"icmp tcp dns http gateway none"`
	Targets         val[[]item]        `toml:"targets"`
	Interval        val[time.Duration] `toml:"interval" range:"1s 1h"`
	IntervalMiss    val[time.Duration] `toml:"interval_miss" range:"200ms 1m"`
	IntervalMetered val[time.Duration] `toml:"interval_metered" range:"1s 24h"`
	Timeout         val[time.Duration] `toml:"timeout" range:"100ms 1m"`
	FailAfter       val[int64]         `toml:"fail_after" range:"1 100"`
	RecoverAfter    val[int64]         `toml:"recover_after" range:"1 100"`
	HoldDown        val[time.Duration] `toml:"hold_down" range:"0s 1h"`
}

type rawLAN struct {
	At       *node       `toml:"-"`
	Name     val[string] `toml:"name" need:"yes"`
	Ports    val[[]item] `toml:"ports"`
	Device   val[string] `toml:"device"`
	Address  val[string] `toml:"address"`
	Upstream val[[]item] `toml:"upstream"`
	DHCP     rawDHCP     `toml:"dhcp"`
}

type rawDHCP struct {
	At        *node              `toml:"-"`
	Enabled   val[bool]          `toml:"enabled"`
	PoolStart val[string]        `toml:"pool_start"`
	PoolEnd   val[string]        `toml:"pool_end"`
	Lease     val[time.Duration] `toml:"lease" range:"1m 365d" infinite:"yes"`
	DNS       val[[]item]        `toml:"dns"`
	Domain    val[string]        `toml:"domain"`
	Hosts     []rawHost          `toml:"host"`
	Options   []rawOption        `toml:"option"`
}

type rawHost struct {
	At      *node              `toml:"-"`
	Name    val[string]        `toml:"name"`
	MAC     val[[]item]        `toml:"mac" need:"yes"`
	Address val[string]        `toml:"address" need:"yes"`
	Lease   val[time.Duration] `toml:"lease" range:"1m 365d" infinite:"yes"`
}

type rawOption struct {
	At   *node       `toml:"-"`
	Code val[int64]  `toml:"code" range:"1 254" need:"yes"`
	Text val[string] `toml:"text"`
	IP   val[[]item] `toml:"ip"`
	Hex  val[string] `toml:"hex"`
}

type rawForward struct {
	At     *node       `toml:"-"`
	Name   val[string] `toml:"name"`
	Proto  val[string] `toml:"proto" one:"tcp udp" need:"yes"`
	Uplink val[string] `toml:"uplink"`
	Port   val[ports]  `toml:"port" need:"yes"`
	To     val[string] `toml:"to" need:"yes"`
}

type rawFirewall struct {
	At          *node       `toml:"-"`
	Mode        val[string] `toml:"mode"`
	Allow       []rawAllow  `toml:"allow"`
	ICMPRate    val[int64]  `toml:"icmp_rate" range:"0 1000"`
	IsolateLANs val[bool]   `toml:"isolate_lans"`
	IPv6        val[string] `toml:"ipv6" one:"block pass"`
}

type rawAllow struct {
	At    *node       `toml:"-"`
	From  val[string] `toml:"from" need:"yes"`
	To    val[string] `toml:"to" need:"yes"`
	Proto val[string] `toml:"proto" one:"any tcp udp icmp"`
	Port  val[ports]  `toml:"port"`
	Src   val[string] `toml:"src"`
}

type rawFailover struct {
	At               *node              `toml:"-"`
	StartupGrace     val[time.Duration] `toml:"startup_grace" range:"0s 10m"`
	FailOpen         val[bool]          `toml:"fail_open"`
	AutoSocketSwitch val[bool]          `toml:"auto_socket_switch"`
}

type rawState struct {
	At       *node       `toml:"-"`
	Dir      val[string] `toml:"dir"`
	MarkMask val[int64]  `toml:"mark_mask"`
}

type rawControl struct {
	At     *node       `toml:"-"`
	Socket val[string] `toml:"socket"`
	Group  val[string] `toml:"group"`
}
