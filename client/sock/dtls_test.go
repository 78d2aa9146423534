//go:build luatnetd_dtls

package sock

import (
	"crypto/x509"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v3"

	"luatnetd/client"
)

// SOCK-01: DTLS with a certificate and with a pre-shared key, against OpenSSL.
// Dates are judged by the clock of the connection, and the suite is the one that
// was chosen.
func TestDTLSAgainstOpenSSL(t *testing.T) {
	const psk = "0102030405060708"
	root := sign(t, nil, func(c *x509.Certificate) { isCA(c); c.NotBefore = time.Now().AddDate(-20, 0, 0) })
	server, expired := sign(t, root, forHost), sign(t, root, func(c *x509.Certificate) {
		forHost(c)
		c.NotBefore, c.NotAfter = time.Now().AddDate(0, -2, 0), time.Now().Add(-time.Minute)
	})
	self := sign(t, nil, forHost)
	ca := write(t, root.block())
	with := func(s *signer) []string {
		return []string{"-cert", write(t, s.block()), "-key", write(t, s.keyBlock(t))}
	}
	shared := []string{"-nocert", "-psk", psk, "-psk_identity", "gateway"}
	at := func(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }
	const month = 30 * 24 * time.Hour
	for name, tt := range map[string]struct {
		args  []string
		tls   TLS
		want  string // of the sentence; "" connects
		suite string // that was agreed, "" for any
	}{
		"certificate":            {with(server), TLS{CA: ca, ServerName: "server.example"}, "", ""},
		"wrong host":             {with(server), TLS{CA: ca, ServerName: "else.example"}, "is for server.example, not for else.example", ""},
		"self-signed":            {with(self), TLS{CA: ca, ServerName: "server.example"}, "self-signed and is not in " + ca, ""},
		"insecure, in writing":   {with(self), TLS{Insecure: true}, "", ""},
		"expired":                {with(expired), TLS{CA: ca, ServerName: "server.example"}, "has expired on " + expired.cert.NotAfter.Format(time.DateOnly), ""},
		"valid by our clock":     {with(expired), TLS{CA: ca, ServerName: "server.example", Now: at(-month)}, "", ""},
		"expired by our clock":   {with(server), TLS{CA: ca, ServerName: "server.example", Now: at(24 * month)}, "has expired on " + server.cert.NotAfter.Format(time.DateOnly), ""},
		"a clock nobody has set": {with(server), TLS{CA: ca, ServerName: "server.example", Now: at(-12 * month), Trusted: func() bool { return false }}, "nobody has set it yet", ""},
		"a suite":                {with(server), TLS{CA: ca, ServerName: "server.example", Suites: []string{"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"}}, "", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
		"another suite":          {with(server), TLS{CA: ca, ServerName: "server.example", Suites: []string{"TLS_ECDHE_ECDSA_WITH_AES_128_CCM"}}, "", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"},
		"an unknown suite":       {with(server), TLS{CA: ca, ServerName: "server.example", Suites: []string{"TLS_NONE"}}, "cipher suite TLS_NONE is unknown", ""},
		"PSK":                    {shared, TLS{PSK: psk, PSKIdentity: "gateway"}, "", ""},
		"PSK, a suite":           {shared, TLS{PSK: psk, PSKIdentity: "gateway", Suites: []string{"TLS_PSK_WITH_AES_128_CCM_8"}}, "", "TLS_PSK_WITH_AES_128_CCM_8"},
	} {
		t.Run(name, func(t *testing.T) {
			port := freeUDP(t)
			// Level 0: OpenSSL counts CCM_8 as too weak for 1.
			args := []string{"s_server", "-dtls1_2", "-quiet", "-cipher", "ALL:@SECLEVEL=0", "-accept", "127.0.0.1:" + portText(port)}
			cmd := exec.CommandContext(t.Context(), "openssl", append(args, tt.args...)...)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Skipf("needs the openssl program: %v", err)
			}
			t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
			cfg := Config{Kind: client.DTLS, Host: "127.0.0.1", Port: port, TLS: &tt.tls}
			c, err := dialSoon(t, cfg)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Abort() }()
			words(t, c, in)
			if i := c.Info(); i.Version != "DTLS 1.2" || i.Suite == "" || tt.suite != "" && i.Suite != tt.suite || i.Insecure != tt.tls.Insecure {
				t.Errorf("info %+v, want suite %q", i, tt.suite)
			}
		})
	}
}

// words says a word each way; in is what the server says.
func words(t *testing.T, c *Conn, in io.Writer) {
	t.Helper()
	if _, err := c.Write([]byte("to the server")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "to the client\n"); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 64)
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != "to the client\n" {
		t.Errorf("got %q, %v", buf[:n], err)
	}
}

// The configuration knows the names that the library knows, no more and no less.
func TestDTLSSuitesAreTheLibrarys(t *testing.T) {
	got := slices.Concat(client.DTLSSuites(false), client.DTLSSuites(true))
	var want []string
	for _, s := range dtls.CipherSuites() {
		want = append(want, s.Name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("names %v, want %v", got, want)
	}
}
