package lab_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"luatnetd/internal/lab"
)

// The resolver knows one name, and answers while the provider carries nothing.
func TestProviderResolves(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		w, err := lab.NewWorld(t.TempDir(), 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Close)
		isp := w.ISPs[0]
		if err := w.Gateway.AddAddr("wan1", "100.64.1.2/24"); err != nil {
			t.Fatal(err)
		}
		c, err := isp.ServeDNS()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := isp.Blackhole(true); err != nil {
			t.Fatal(err)
		}
		r := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return w.Gateway.Dial("udp4", isp.Gateway.String()+":53", time.Second)
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		got, err := r.LookupNetIP(ctx, "ip4", lab.PublicName+".")
		if err != nil || len(got) != 1 || got[0] != netip.MustParseAddr(lab.WebAddr) {
			t.Errorf("%s = %v, %v; want %s", lab.PublicName, got, err, lab.WebAddr)
		}
		if got, err := r.LookupNetIP(ctx, "ip4", "nobody.example.com."); err == nil {
			t.Errorf("nobody.example.com = %v, want no such name", got)
		}
	})
}
