package netns

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"luatnetd/internal/lab"
	"luatnetd/internal/status"
	"luatnetd/modem/modemtest"
)

// modemConfig is a gateway whose second way out is a 4G modem on a serial line.
const modemConfig = `
[[uplink]]
name = "wan"
device = "wan1"
address = "dhcp"

[[uplink]]
name = "4g"
adapter = "LWIP_GP"
device = "wan2"
metered = false
[uplink.modem]
port = "%s"

[[lan]]
name = "lan"
ports = ["lan1"]
address = "192.168.5.1/24"

[time]
enabled = false
`

// modemBox is a gateway with an emulated module as its second way out.
func modemBox(t *testing.T, o modemtest.Options) (*box, *modemtest.Attached) {
	t.Helper()
	return modemBoxOf(t, "air780-at", modemConfig, o)
}

// modemBoxOf is the same with a module of that family; config has a %s for
// the path of its port.
func modemBoxOf(t *testing.T, family, config string, o modemtest.Options) (*box, *modemtest.Attached) {
	t.Helper()
	lab.Run(t, func(*testing.T) {}) // skips where there are no namespaces
	b := newBox(t, 2)
	for _, isp := range b.ISPs {
		b.dnsmasq(isp, "1h")
	}
	m, err := modemtest.Attach(b.ISPs[1], family, o)
	b.ok(err)
	t.Cleanup(func() { _ = m.Close() })
	b.write(fmt.Sprintf(config, m.Port))
	b.staticClient()
	return b, m
}

func (b *box) modem() status.Modem {
	b.t.Helper()
	list, err := b.API.Modems(b.t.Context())
	b.ok(err)
	if len(list) != 1 {
		b.t.Fatalf("%d modems", len(list))
	}
	return list[0]
}

// GP: from power-on to a page that a LAN client opens, and back to the cable.
func TestGPModemCarriesTheLAN(t *testing.T) {
	b, m := modemBox(t, modemtest.Options{})
	b.start()
	b.ready(60*time.Second, "wan", "4g")
	b.active(20*time.Second, "wan", "wan1")
	b.ok(b.ISPs[0].Cut())
	b.active(10*time.Second, "4g", "wan2")
	addr, _, _ := strings.Cut(b.uplink("4g").Address, "/")
	b.sees(addr)
	if s := b.modem(); s.State != "connected" || s.IMEI != m.Personality().IMEI || s.Profile == "" {
		t.Errorf("%+v", s)
	}
	t.Logf("\n%s", b.modem().Text(time.Now()))
}
