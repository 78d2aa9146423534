//go:build luatnetd_dtls

package sock

import (
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"luatnetd/client"
)

// SOCK-01: DTLS with a certificate and with a pre-shared key, against OpenSSL.
func TestDTLSAgainstOpenSSL(t *testing.T) {
	root := sign(t, nil, isCA)
	server := sign(t, root, forHost)
	ca, cert, key := write(t, root.block()), write(t, server.block()), write(t, server.keyBlock(t))
	for name, tt := range map[string]struct {
		args []string
		tls  TLS
		want string
	}{
		"certificate": {[]string{"-cert", cert, "-key", key}, TLS{CA: ca, ServerName: "server.example"}, ""},
		"wrong host":  {[]string{"-cert", cert, "-key", key}, TLS{CA: ca, ServerName: "else.example"}, "else.example"},
		"PSK":         {[]string{"-nocert", "-psk", "0102030405060708", "-psk_identity", "gateway"}, TLS{PSK: "0102030405060708", PSKIdentity: "gateway"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			port := freeUDP(t)
			cmd := exec.CommandContext(t.Context(), "openssl", append([]string{"s_server", "-dtls1_2", "-quiet", "-accept", "127.0.0.1:" + portText(port)}, tt.args...)...)
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
			if c.Info().Version != "DTLS 1.2" {
				t.Errorf("info %+v", c.Info())
			}
		})
	}
}
