package lease

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"luatnetd/netif"
)

const (
	recordVersion = 1
	// RecordMax is more than any record needs; a longer file is not one.
	RecordMax = 64 << 10
)

// Record is what is remembered over a restart and a reboot. There may be no
// clock worth trusting, so it holds boot times together with the boot that
// they belong to; after another boot the lease's age is unknown.
type Record struct {
	BootID     string
	Stamp      time.Time   // boot time of writing
	MAC        netif.MAC   // the device's, when the lease was won
	Form       Form        // client identifier that won
	ClientID   []byte      // its bytes, empty for none
	Broadcast  bool        // answers had to be asked for by broadcast
	GatewayMAC netif.MAC   // zero if never seen
	Lease      netif.Lease // zero after a NAK
}

// stored is the form in the file. Times are seconds after the stamp, so that
// the file reads like what it means: "this much is left".
type stored struct {
	Version    int              `json:"version"`
	BootID     string           `json:"boot_id"`
	Stamp      float64          `json:"boottime"`
	MAC        netif.MAC        `json:"mac"`
	Form       Form             `json:"client_id_form"`
	ClientID   string           `json:"client_id,omitempty"`
	Broadcast  bool             `json:"broadcast,omitempty"`
	GatewayMAC netif.MAC        `json:"gateway_mac"`
	Addr       netip.Prefix     `json:"address"`
	Gateway    netip.Addr       `json:"gateway"`
	DNS        []netip.AddrPort `json:"dns,omitempty"`
	Routes     []storedRoute    `json:"routes,omitempty"`
	Domain     string           `json:"domain,omitempty"`
	Hostname   string           `json:"hostname,omitempty"`
	MTU        int              `json:"mtu,omitempty"`
	ServerID   netip.Addr       `json:"server"`
	ServerMAC  netif.MAC        `json:"server_mac"`
	BroadcastA netip.Addr       `json:"broadcast_address"`
	Forever    bool             `json:"forever,omitempty"`
	Acquired   float64          `json:"acquired_ago"`
	Renew      float64          `json:"renew_in"`
	Rebind     float64          `json:"rebind_in"`
	Expire     float64          `json:"expires_in"`
}

type storedRoute struct {
	Dst     netip.Prefix `json:"to"`
	Gateway netip.Addr   `json:"via"`
}

// Bytes is the record as a file.
func (r Record) Bytes() []byte {
	l := r.Lease
	s := stored{
		Version: recordVersion, BootID: r.BootID, Stamp: bootSeconds(r.Stamp), MAC: r.MAC,
		Form: r.Form, ClientID: hex.EncodeToString(r.ClientID), Broadcast: r.Broadcast, GatewayMAC: r.GatewayMAC,
		Addr: l.Addr, Gateway: l.Gateway, DNS: l.DNS, Domain: l.Domain, Hostname: l.Hostname, MTU: l.MTU,
		ServerID: l.ServerID, ServerMAC: l.ServerMAC, BroadcastA: l.Broadcast, Forever: l.Expire.IsZero(),
		Acquired: r.Stamp.Sub(l.Acquired).Seconds(),
	}
	if !s.Forever {
		s.Renew, s.Rebind = l.Renew.Sub(r.Stamp).Seconds(), l.Rebind.Sub(r.Stamp).Seconds()
		s.Expire = l.Expire.Sub(r.Stamp).Seconds()
	}
	for _, c := range l.Routes {
		s.Routes = append(s.Routes, storedRoute(c))
	}
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		panic(fmt.Sprintf("lease record: %v", err)) // plain values of ours
	}
	return append(b, '\n')
}

// ParseRecord reads a file written by Bytes, and refuses one that no lease of
// ours can have made.
func ParseRecord(b []byte) (Record, error) {
	if len(b) > RecordMax {
		return Record{}, fmt.Errorf("lease record of %d bytes: at most %d", len(b), RecordMax)
	}
	var s stored
	if err := json.Unmarshal(b, &s); err != nil {
		return Record{}, fmt.Errorf("lease record: %w", err)
	}
	if s.Version != recordVersion {
		return Record{}, fmt.Errorf("lease record of version %d: this program knows %d", s.Version, recordVersion)
	}
	id, err := hex.DecodeString(s.ClientID)
	if err != nil || len(id) > 255 {
		return Record{}, fmt.Errorf("lease record: client id %q", s.ClientID)
	}
	r := Record{
		BootID: s.BootID, Stamp: netif.Boot(duration(s.Stamp)), MAC: s.MAC, Form: s.Form, ClientID: id,
		Broadcast: s.Broadcast, GatewayMAC: s.GatewayMAC,
	}
	if !s.Addr.IsValid() {
		return r, nil
	}
	if err := s.check(); err != nil {
		return Record{}, err
	}
	r.Lease = s.lease(r.Stamp)
	return r, nil
}

// check refuses what would not have been accepted from a server.
func (s stored) check() error {
	switch {
	case !hostAddr(s.Addr.Addr()) || !hostAddr(s.ServerID):
		return fmt.Errorf("lease record: address %v from server %v", s.Addr, s.ServerID)
	case s.Gateway.IsValid() && !hostAddr(s.Gateway):
		return fmt.Errorf("lease record: gateway %v", s.Gateway)
	case s.MTU != 0 && (s.MTU < mtuMin || s.MTU > packetMax):
		return fmt.Errorf("lease record: mtu %d", s.MTU)
	case len(s.DNS) > dnsMax || len(s.Routes) > routesMax:
		return fmt.Errorf("lease record: %d dns servers, %d routes", len(s.DNS), len(s.Routes))
	case name([]byte(s.Domain)) != s.Domain || name([]byte(s.Hostname)) != s.Hostname:
		return fmt.Errorf("lease record: names %q, %q", s.Domain, s.Hostname)
	case !s.Forever && (s.Renew > s.Rebind || s.Rebind > s.Expire):
		return fmt.Errorf("lease record: times %v, %v, %v out of order", s.Renew, s.Rebind, s.Expire)
	}
	for _, a := range s.DNS {
		if !hostAddr(a.Addr()) || a.Port() == 0 {
			return fmt.Errorf("lease record: dns server %v", a)
		}
	}
	for _, c := range s.Routes {
		if !c.Dst.IsValid() || !c.Dst.Addr().Is4() || c.Dst.Bits() == 0 || c.Gateway.IsValid() && !hostAddr(c.Gateway) {
			return fmt.Errorf("lease record: route %v via %v", c.Dst, c.Gateway)
		}
	}
	return nil
}

func (s stored) lease(stamp time.Time) netif.Lease {
	l := netif.Lease{
		Addr: s.Addr, Gateway: s.Gateway, DNS: s.DNS, Domain: s.Domain, Hostname: s.Hostname, MTU: s.MTU,
		ServerID: s.ServerID, ServerMAC: s.ServerMAC, Broadcast: s.BroadcastA,
		Acquired: stamp.Add(-duration(s.Acquired)),
	}
	for _, c := range s.Routes {
		l.Routes = append(l.Routes, netif.ClasslessRoute(c))
	}
	if !s.Forever {
		l.Renew, l.Rebind = stamp.Add(duration(s.Renew)), stamp.Add(duration(s.Rebind))
		l.Expire = stamp.Add(duration(s.Expire))
	}
	return l
}

func bootSeconds(t time.Time) float64 { return t.Sub(netif.Boot(0)).Seconds() }

// duration turns seconds from a file into a duration that can be added and
// compared without overflow.
func duration(seconds float64) time.Duration {
	const limit = 1 << 32 // what option 51 can hold; two of them still add up
	if seconds != seconds || seconds < -limit || seconds > limit {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}
