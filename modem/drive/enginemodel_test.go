package drive

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"luatnetd/modem"
	"luatnetd/modem/modemtest"
)

// The engine's clocks, as the model has them.
const (
	renewAfter  = time.Minute      // a lease is renewed
	leaseLife   = 2 * time.Minute  // and lost, where nobody renews it
	probeFailed = 10 * time.Second // without an answer the prober says dead
)

// engineModel plays the engine's DHCP client and prober. A lease outlives the
// bearer behind it, as it does behind a modem's NAT.
type engineModel struct {
	lease   netip.Prefix
	asked   time.Time // since when the client asks; zero: it does not
	renewed time.Time
	passed  time.Time // when something came back last
	ticked  time.Time
	bytes   atomic.Uint64
	path    modem.Path
}

// release gives the lease up and asks anew.
func (h *engineModel) release() { h.lease, h.asked = netip.Prefix{}, time.Time{} }

// see returns address and verdict. carries tells whether packets of a source
// address come back.
func (h *engineModel) see(now time.Time, link Link, st modemtest.DataState, carries func(netip.Prefix) bool) (netip.Prefix, modem.Path) {
	switch {
	case !link.Up:
		h.release()
	case link.External || link.Bearer.Addr4.IsValid():
		h.lease = netip.PrefixFrom(link.Bearer.Addr4, 32)
	default:
		h.dhcp(now, st)
	}
	h.probe(now, h.lease.IsValid() && carries(h.lease))
	return h.lease, h.path
}

func (h *engineModel) dhcp(now time.Time, st modemtest.DataState) {
	if h.asked.IsZero() {
		h.asked = now
	}
	held := h.lease.IsValid()
	if held && now.Sub(h.renewed) < renewAfter {
		return
	}
	delay := time.Duration(0)
	switch st.DHCP {
	case modemtest.DHCPSlow:
		delay = st.DHCPDelay
	case modemtest.DHCPGood, modemtest.DHCPSubnet:
	case modemtest.DHCPNAK:
		h.lease = netip.Prefix{}
		return
	default:
		if held && now.Sub(h.renewed) >= leaseLife {
			h.release()
		}
		return
	}
	if held || now.Sub(h.asked) >= delay {
		h.lease, h.renewed = st.Lease, now
	}
}

func (h *engineModel) probe(now time.Time, comes bool) {
	switch {
	case !h.lease.IsValid():
		h.path, h.passed = modem.PathUnknown, time.Time{}
	case comes:
		h.path, h.passed = modem.PathAlive, now
	case h.passed.IsZero():
		h.passed = now
	case now.Sub(h.passed) >= probeFailed:
		h.path = modem.PathDead
	}
	if now.Sub(h.ticked) >= time.Second {
		h.ticked = now
		if comes {
			h.bytes.Add(1000)
		}
	}
}

// carriesLocked is the way of a packet and back.
func (w *world) carriesLocked(link Link, st modemtest.DataState) func(netip.Prefix) bool {
	return func(lease netip.Prefix) bool {
		if link.External {
			return w.calls.call != nil && w.calls.call.Fault == "" && w.emu.Registered() && !slices.Contains(w.emu.Active(), "data-dead")
		}
		if lease.IsSingleIP() || st.Lease.Addr() == st.Addr4 { // the bearer's own address
			return st.Forwards && lease.Addr() == st.Addr4
		}
		return st.Forwards && st.Addr4.IsValid() && lease.Masked() == st.Lease.Masked()
	}
}
