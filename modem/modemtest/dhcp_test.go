package modemtest

import (
	"net"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

func TestDHCPReply(t *testing.T) {
	scene(t, "quectel-qc", func(o *on) {
		mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
		discover, err := dhcpv4.NewDiscovery(mac)
		if err != nil {
			o.Fatal(err)
		}
		answer := func(req *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, time.Duration) {
			b, after := o.m.DHCPReply(req.ToBytes())
			if b == nil {
				return nil, 0
			}
			r, err := dhcpv4.FromBytes(b)
			if err != nil {
				o.Fatal(err)
			}
			return r, after
		}
		offer, _ := answer(discover)
		if offer == nil || offer.MessageType() != dhcpv4.MessageTypeOffer || offer.YourIPAddr.String() != "192.168.225.2" ||
			offer.Router()[0].String() != "192.168.225.1" || len(offer.DNS()) != 2 || offer.IPAddressLeaseTime(0) != time.Hour {
			o.Fatalf("offer %v", offer)
		}
		request, err := dhcpv4.NewRequestFromOffer(offer)
		if err != nil {
			o.Fatal(err)
		}
		if ack, _ := answer(request); ack == nil || ack.MessageType() != dhcpv4.MessageTypeAck {
			o.Errorf("ack %v", ack)
		}
		for _, tt := range []struct {
			fault string
			kind  dhcpv4.MessageType
			after time.Duration
		}{
			{"dhcp-nak", dhcpv4.MessageTypeNak, 0},
			{"dhcp-slow", dhcpv4.MessageTypeAck, 8 * time.Second},
			{"dhcp-subnet", dhcpv4.MessageTypeNak, 0},
			{"dhcp-absent", dhcpv4.MessageTypeNone, 0},
		} {
			o.fault(tt.fault)
			r, after := answer(request)
			kind := dhcpv4.MessageTypeNone
			if r != nil {
				kind = r.MessageType()
			}
			if kind != tt.kind || after != tt.after {
				o.Errorf("%s: %v after %v", tt.fault, kind, after)
			}
			o.m.Clear(tt.fault)
		}
		o.m.Deactivate(true)
		if r, _ := answer(discover); r != nil {
			o.Errorf("answers without a bearer: %v", r)
		}
		o.fault("dhcp-early")
		if r, _ := answer(discover); r == nil || r.YourIPAddr.String() != "192.168.225.2" {
			o.Errorf("early: %v", r)
		}
	})
}
