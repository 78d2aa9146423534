package data

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"luatnetd/modem"
)

// addresses compares what has unexported fields.
var addresses = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
var prefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func bearer(addr, gateway string, mtu int, dns ...string) modem.Bearer {
	b := modem.Bearer{Addr4: netip.MustParseAddr(addr), MTU: mtu}
	if gateway != "" {
		b.Gateway4 = netip.MustParseAddr(gateway)
	}
	for _, d := range dns {
		b.DNS = append(b.DNS, netip.MustParseAddr(d))
	}
	return b
}

func TestPPPDLogTellsTheBearer(t *testing.T) {
	var l pppdLog
	text := "Using interface ppp0\nRenamed interface ppp0 to wwan0\nConnect: wwan0 <--> /dev/ttyUSB3\nPAP authentication succeeded\n" +
		"Could not determine remote IP address: defaulting to 10.64.64.64\n" +
		"local  IP address 10.6.119.182\nremote IP address 10.64.64.64\nprimary   DNS address 10.1.10.11\nsecondary DNS address 0.0.0.0\n"
	for i := range len(text) { // a byte at a time: lines are put together again
		l.write([]byte(text[i : i+1]))
		if up := i >= len(text)-len("primary   DNS address 10.1.10.11\nsecondary DNS address 0.0.0.0\n")-1; l.up("IP") != up {
			t.Fatalf("up is %v after %q", !up, text[:i+1])
		}
	}
	if d := cmp.Diff(bearer("10.6.119.182", "10.64.64.64", 0, "10.1.10.11"), l.bearer, addresses, prefixes); d != "" {
		t.Errorf("bearer (-want +got):\n%s", d)
	}
	if l.netdev != "wwan0" || l.cause != modem.DataOK {
		t.Errorf("device %q, cause %q", l.netdev, l.cause)
	}
	if l.up("IPV6") {
		t.Error("IPv6 is up without an address")
	}
	l.write([]byte("local  LL address fe80::1\nremote LL address fe80::2\n"))
	if !l.up("IPV6") {
		t.Error("IPv6 is not up")
	}
}

// Logs and statuses of Debian's pppd 2.4.9 with our options, against another
// one, recorded in the VM. Statuses are vague: a silent peer, a peer that wants a
// password and a dead link all end with 16.
func TestRecordedEnds(t *testing.T) {
	for _, tt := range []struct {
		file   string
		status int
		want   modem.DataCause
	}{
		{"noecho", 16, modem.DataNoEcho}, {"badpap", 19, modem.DataAuth}, {"badchap", 19, modem.DataAuth},
		{"nocredentials", 16, modem.DataAuth}, {"silent", 16, modem.DataNegotiat}, {"noip", 16, modem.DataPeer},
		{"badoption", 2, modem.DataSystem},
	} {
		t.Run(tt.file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", tt.file+".log"))
			if err != nil {
				t.Fatal(err)
			}
			var l pppdLog
			l.write(text)
			if l.message == "" || !strings.Contains(string(text), l.message) {
				t.Errorf("message %q", l.message)
			}
			if got := exitCause(tt.status, &l); got != tt.want {
				t.Errorf("status %d: %q, want %q; the log says %q", tt.status, got, tt.want, l.message)
			}
		})
	}
}

func TestExitCause(t *testing.T) {
	for _, tt := range []struct {
		status int
		log    string
		want   modem.DataCause
	}{
		{0, "", modem.DataPeer}, {16, "", modem.DataPeer}, {16, "Modem hangup\n", modem.DataPeer},
		{16, "No response to 3 echo-requests\nSerial link appears to be disconnected.\nModem hangup\n", modem.DataNoEcho},
		{15, "", modem.DataNoEcho},
		{11, "", modem.DataAuth}, {19, "Modem hangup\n", modem.DataAuth}, {16, "PAP authentication failed\nModem hangup\n", modem.DataAuth},
		{10, "", modem.DataNegotiat}, {17, "", modem.DataNegotiat},
		{8, "", modem.DataConnect},
		{1, "", modem.DataSystem}, {2, "pppd: unrecognized option\n", modem.DataSystem}, {4, "", modem.DataSystem},
		{6, "", modem.DataSystem}, {7, "", modem.DataSystem}, {5, "Terminating on signal 15\n", modem.DataSystem}, {137, "", modem.DataSystem},
		{exitUnknown, "", modem.DataPeer}, {exitUnknown, "LCP: timeout sending Config-Requests\n", modem.DataNegotiat},
		{exitUnknown, "No response to 3 echo-requests\nModem hangup\n", modem.DataNoEcho},
	} {
		var l pppdLog
		l.write([]byte(tt.log))
		if got := exitCause(tt.status, &l); got != tt.want {
			t.Errorf("status %d with %q: %q, want %q", tt.status, tt.log, got, tt.want)
		}
	}
}

func FuzzPPPDLog(f *testing.F) {
	f.Add([]byte("local  IP address 10.0.0.1\nremote IP address \nNo response to 3 echo-requests\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var whole, parts pppdLog
		whole.write(b)
		for i := range b {
			parts.write(b[i : i+1])
		}
		if len(whole.rest) > maxLine || whole.cause != parts.cause && len(b) < maxLine {
			t.Errorf("rest of %d bytes; cause %q, in parts %q", len(whole.rest), whole.cause, parts.cause)
		}
	})
}
