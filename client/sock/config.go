package sock

import (
	"net/netip"
	"time"

	"luatnetd/client"
	"luatnetd/internal/bind"
)

// Config is what socket.config and socket.connect are given in LuatOS.
type Config struct {
	Name      string // for messages
	Kind      client.Kind
	Host      string // name or literal address
	Port      uint16 // 0: resolve only, see Resolve
	LocalPort uint16 // 0: any
	IPv6      bool   // need_ipv6_dns: ask for AAAA, too
	KeepAlive KeepAlive
	TLS       *TLS // TLS and DTLS only; nil is the zero value

	Opened func(Opening) // hears of each socket before it connects, from several goroutines; nil allowed
}

// KeepAlive is keep_idle, keep_interval and keep_cnt. The zero value is what
// LuatOS's demo asks for: 300 s, 10 s, 3.
type KeepAlive struct {
	Off            bool
	Idle, Interval time.Duration
	Count          int
}

func (k KeepAlive) orDefault() KeepAlive {
	if k.Idle == 0 {
		k.Idle = 300 * time.Second
	}
	if k.Interval == 0 {
		k.Interval = 10 * time.Second
	}
	if k.Count == 0 {
		k.Count = 3
	}
	return k
}

// Route is how to leave. The zero value is an ordinary socket without DNS.
type Route struct {
	Uplink string
	Bind   bind.Bind
	DNS    []netip.AddrPort // of that uplink, asked through it
}
