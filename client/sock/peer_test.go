package sock

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"luatnetd/client"
)

// A pin stands for the name of a server that is addressed by IP. What is
// pinned otherwise, or not signed by a given CA, is still refused.
func TestPinStandsForTheNameOfAnIP(t *testing.T) {
	root, other := sign(t, nil, isCA), sign(t, nil, isCA)
	leaf, self := sign(t, root, forHost), sign(t, nil, forHost)
	ca, otherCA := write(t, root.block()), write(t, other.block())
	pin := func(s *signer) []string {
		sum := sha256.Sum256(s.cert.RawSubjectPublicKeyInfo)
		return []string{base64.StdEncoding.EncodeToString(sum[:])}
	}
	for name, tt := range map[string]struct {
		server *signer
		tls    TLS
		want   string
	}{
		"pin alone, self-signed": {self, TLS{Pins: pin(self)}, ""},
		"pin and CA":             {leaf, TLS{Pins: pin(leaf), CA: ca}, ""},
		"pin and another CA":     {leaf, TLS{Pins: pin(leaf), CA: otherCA}, "not in " + otherCA},
		"another pin":            {self, TLS{Pins: pin(leaf)}, "none of the pinned ones"},
		"another pin, with a CA": {leaf, TLS{Pins: pin(self), CA: ca}, "none of the pinned ones"},
		"pin does not rename":    {leaf, TLS{Pins: pin(leaf), CA: ca, ServerName: "else.example"}, "not for else.example"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := roundTrip(t, Config{Kind: client.TLS, Host: "127.0.0.1", Port: secure(t, &tls.Config{}, tt.server), TLS: &tt.tls})
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want == "" && c.Info().Insecure:
				t.Error("a pinned server counts as insecure")
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// The levels of sslLog: 0 says nothing, 1 faults, 2 what was agreed, 3 every
// certificate; never a password, nor a key.
func TestSSLLogLevels(t *testing.T) {
	root := sign(t, nil, isCA)
	own := sign(t, root, nil)
	clients := x509.NewCertPool()
	clients.AddCert(root.cert)
	port := secure(t, &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}, sign(t, root, forHost))
	key := own.keyBlock(t)
	lines := func(level int, name string) string {
		var out bytes.Buffer
		cfg := Config{Name: "demo", Kind: client.TLS, Host: "127.0.0.1", Port: port, TLS: &TLS{
			CA: write(t, root.block()), Cert: write(t, own.block()), Key: write(t, key), Password: "sesame", ServerName: name, LogLevel: level,
			Log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})),
		}}
		_, _ = roundTrip(t, cfg)
		return out.String()
	}
	var all string
	for level, want := range []struct{ has, hasNot string }{
		{"", "level=DEBUG"}, {"", "TLS agreed"}, {"TLS agreed", "depth=0"}, {"depth=0", "level=INFO"},
	} {
		text := lines(level, "server.example")
		if !strings.Contains(text, want.has) || strings.Contains(text, want.hasNot) {
			t.Errorf("level %d:\n%s", level, text)
		}
		all += text
	}
	if text := lines(1, "else.example"); !strings.Contains(text, "TLS handshake failed") || !strings.Contains(text, "connection=demo") {
		t.Errorf("level 1 with a fault:\n%s", text)
	}
	if strings.Contains(all, "sesame") || strings.Contains(all, base64.StdEncoding.EncodeToString(key.Bytes)[:20]) {
		t.Error("a secret is in the log")
	}
}

// A wrong password of DEK-Info gives a valid padding once in 256 times: that is
// a wrong password, too. A damaged file is an error, not a panic.
func TestWrongPasswordIsAlwaysSaidSo(t *testing.T) {
	own := sign(t, sign(t, nil, isCA), nil)
	der, err := x509.MarshalECPrivateKey(own.key)
	if err != nil {
		t.Fatal(err)
	}
	for range 1500 {
		//lint:ignore SA1019 what tools in the field write
		block, err := x509.EncryptPEMBlock(rand.Reader, "EC PRIVATE KEY", der, []byte("sesame"), x509.PEMCipherAES128)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openKey(pem.EncodeToMemory(block), "other"); !errors.Is(err, errPassword) {
			t.Fatalf("%v, want %v", err, errPassword)
		}
	}
	out, err := exec.CommandContext(t.Context(), "openssl", "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:sesame", "-in", write(t, own.keyBlock(t))).Output()
	if err != nil {
		t.Skipf("needs the openssl program: %v", err)
	}
	block, _ := pem.Decode(out)
	short := bytes.Clone(block.Bytes[:len(block.Bytes)-1])
	short[2]-- // the outer and the last length, so that the structure is whole and the cipher text one byte short
	at := bytes.LastIndex(short, []byte{0x04, 0x81})
	if short[1] != 0x81 || at < 0 {
		t.Fatalf("another layout than expected: % x", short[:4])
	}
	short[at+2]--
	if _, err := openKey(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: short}), "sesame"); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a cut key: %v", err)
	}
}

// SOCK-01 against OpenSSL: mutual TLS, a server that knows TLS 1.1 only, one
// that wants a certificate.
func TestSOCK01AgainstOpenSSL(t *testing.T) {
	root := sign(t, nil, isCA)
	server, own := sign(t, root, forHost), sign(t, root, nil)
	ca, cert, key := write(t, root.block()), write(t, server.block()), write(t, server.keyBlock(t))
	mine, mineKey := write(t, own.block()), write(t, own.keyBlock(t))
	for name, tt := range map[string]struct {
		args []string
		tls  TLS
		want string
	}{
		"ca":             {nil, TLS{CA: ca}, ""},
		"mutual":         {[]string{"-Verify", "1", "-verify_return_error", "-CAfile", ca}, TLS{CA: ca, Cert: mine, Key: mineKey}, ""},
		"no certificate": {[]string{"-Verify", "1", "-CAfile", ca}, TLS{CA: ca}, "wants a client certificate"},
		"TLS 1.1":        {[]string{"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}, TLS{CA: ca}, "older TLS than 1.2"},
		"old suite":      {[]string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"}, TLS{CA: ca, Suites: []string{"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			port := freeUDP(t)
			cmd := exec.CommandContext(t.Context(), "openssl", append([]string{"s_server", "-rev", "-quiet", "-accept", "127.0.0.1:" + portText(port), "-cert", cert, "-key", key}, tt.args...)...)
			if err := cmd.Start(); err != nil {
				t.Skipf("needs the openssl program: %v", err)
			}
			t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
			tt.tls.ServerName = "server.example"
			c, err := dialSoon(t, Config{Kind: client.TLS, Host: "127.0.0.1", Port: port, TLS: &tt.tls})
			if err == nil {
				defer func() { _ = c.Abort() }()
				_ = c.SetDeadline(time.Now().Add(5 * time.Second))
				_, _ = c.Write([]byte("word\n"))
				buf := make([]byte, 5)
				if _, err = io.ReadFull(c, buf); err != nil {
					err = c.Cause(err)
				} else if string(buf) != "drow\n" {
					t.Errorf("the server answers %q", buf)
				}
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
