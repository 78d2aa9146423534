package sock

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"luatnetd/client"
)

// authority signs the test's certificates; several may be in one chain.
type signer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// sign makes a certificate; a nil issuer signs itself. change may alter it.
func sign(t *testing.T, by *signer, change func(*x509.Certificate)) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<60))
	cert := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: serial.String()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if change != nil {
		change(cert)
	}
	parent, parentKey := cert, key
	if by != nil {
		parent, parentKey = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{made, key}
}

func isCA(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

func forHost(c *x509.Certificate) { c.DNSNames = []string{"server.example"} }

// write stores PEM blocks and returns the file's path.
func write(t *testing.T, blocks ...*pem.Block) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "*.pem")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if err := pem.Encode(f, b); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func (s *signer) block() *pem.Block { return &pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw} }

func (s *signer) keyBlock(t *testing.T) *pem.Block {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	return &pem.Block{Type: "PRIVATE KEY", Bytes: der}
}

// secure serves TLS with an echo; the chain is leaf first.
func secure(t *testing.T, conf *tls.Config, chain ...*signer) uint16 {
	t.Helper()
	pair := tls.Certificate{PrivateKey: chain[0].key}
	for _, s := range chain {
		pair.Certificate = append(pair.Certificate, s.cert.Raw)
	}
	conf = conf.Clone()
	conf.Certificates = []tls.Certificate{pair}
	return serve(t, "127.0.0.1", func(c net.Conn) { echo(tls.Server(c, conf)) })
}

// roundTrip connects, says a word and wants it back: TLS 1.3 tells a missing
// client certificate only after the handshake.
func roundTrip(t *testing.T, cfg Config) (*Conn, error) {
	t.Helper()
	c, err := Dial(t.Context(), cfg, Route{}, nil, nil)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = c.Abort() })
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := c.Write([]byte("word")); err != nil {
		return c, c.Cause(err)
	}
	buf := make([]byte, 4)
	if _, err := io.ReadFull(c, buf); err != nil {
		return c, c.Cause(err)
	}
	return c, nil
}

// SOCK-01, SOCK-02: the table of what can be wrong with TLS. Each has its own
// sentence, and each says that the server was reached.
func TestTLSTable(t *testing.T) {
	root := sign(t, nil, isCA)
	middle := sign(t, root, isCA)
	other := sign(t, nil, isCA)
	good := sign(t, root, forHost)
	deep := sign(t, middle, forHost)
	client1 := sign(t, root, nil)
	foreigner := sign(t, other, nil)
	clients := x509.NewCertPool()
	clients.AddCert(root.cert)
	mutual := &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	mutual12 := &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients, MaxVersion: tls.VersionTLS12}
	ca, otherCA, middleCA := write(t, root.block()), write(t, other.block()), write(t, middle.block())
	cert, key := write(t, client1.block()), write(t, client1.keyBlock(t))
	foreignCert, foreignKey := write(t, foreigner.block()), write(t, foreigner.keyBlock(t))
	expired := sign(t, root, func(c *x509.Certificate) { forHost(c); c.NotAfter = time.Now().Add(-time.Minute) })
	early := sign(t, root, func(c *x509.Certificate) { forHost(c); c.NotBefore = time.Now().Add(48 * time.Hour) })
	self := sign(t, nil, forHost)
	spki := sha256.Sum256(good.cert.RawSubjectPublicKeyInfo)
	pin := hex.EncodeToString(spki[:])
	in1970 := func() time.Time { return time.Unix(3600, 0) }
	never := func() bool { return false }

	for name, tt := range map[string]struct {
		server *tls.Config
		chain  []*signer
		tls    TLS
		host   string // "" with server_name server.example
		want   string // of the sentence; "" connects
	}{
		"right":                       {&tls.Config{}, []*signer{good}, TLS{CA: ca}, "", ""},
		"only an intermediate in ca":  {&tls.Config{}, []*signer{deep, middle}, TLS{CA: middleCA}, "", ""},
		"a chain up to the root":      {&tls.Config{}, []*signer{deep, middle}, TLS{CA: ca}, "", ""},
		"mutual":                      {mutual, []*signer{good}, TLS{CA: ca, Cert: cert, Key: key}, "", ""},
		"old suite by name":           {&tls.Config{MaxVersion: tls.VersionTLS12}, []*signer{good}, TLS{CA: ca, Suites: []string{"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"}}, "", ""},
		"insecure, in writing":        {&tls.Config{}, []*signer{self}, TLS{Insecure: true}, "", ""},
		"pinned, addressed by IP":     {&tls.Config{}, []*signer{good}, TLS{Insecure: true, Pins: []string{strings.ToUpper(pin)}}, "127.0.0.1", ""},
		"wrong CA":                    {&tls.Config{}, []*signer{good}, TLS{CA: otherCA}, "", "signed by an authority that is not in " + otherCA},
		"no CA of ours":               {&tls.Config{}, []*signer{good}, TLS{}, "", "not in the system's authorities"},
		"wrong host":                  {&tls.Config{}, []*signer{good}, TLS{CA: ca, ServerName: "else.example"}, "", "is for server.example, not for else.example"},
		"IP without SAN":              {&tls.Config{}, []*signer{good}, TLS{CA: ca}, "127.0.0.1", "does not name the address 127.0.0.1; set server_name"},
		"expired":                     {&tls.Config{}, []*signer{expired}, TLS{CA: ca}, "", "has expired on " + expired.cert.NotAfter.Format(time.DateOnly)},
		"not yet valid":               {&tls.Config{}, []*signer{early}, TLS{CA: ca}, "", "not valid before " + early.cert.NotBefore.Format(time.DateOnly)},
		"clock at 1970":               {&tls.Config{}, []*signer{good}, TLS{CA: ca, Now: in1970, Trusted: never}, "", "clock says 1970-01-01 and nobody has set it"},
		"self-signed":                 {&tls.Config{}, []*signer{self}, TLS{CA: ca}, "", "self-signed and is not in " + ca},
		"TLS 1.1":                     {&tls.Config{MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}, []*signer{good}, TLS{CA: ca}, "", "older TLS than 1.2"},
		"missing client key":          {mutual, []*signer{good}, TLS{CA: ca, Cert: cert}, "", "has no key"},
		"no client certificate":       {mutual, []*signer{good}, TLS{CA: ca}, "", "wants a client certificate and there is none"},
		"no client certificate, 1.2":  {mutual12, []*signer{good}, TLS{CA: ca}, "", "wants a client certificate and there is none"},
		"client certificate unknown":  {mutual, []*signer{good}, TLS{CA: ca, Cert: foreignCert, Key: foreignKey}, "", "does not know the authority that signed our certificate"},
		"wrong pin":                   {&tls.Config{}, []*signer{good}, TLS{CA: ca, Pins: []string{strings.Repeat("0", 64)}}, "", "none of the pinned ones: it is " + pin},
		"certificate of another key":  {mutual, []*signer{good}, TLS{CA: ca, Cert: cert, Key: foreignKey}, "", "does not match"},
		"an unknown suite":            {&tls.Config{}, []*signer{good}, TLS{CA: ca, Suites: []string{"TLS_NONE"}}, "", "TLS_NONE is unknown"},
		"an empty CA file":            {&tls.Config{}, []*signer{good}, TLS{CA: write(t)}, "", "holds no certificate"},
		"a CA file that is not there": {&tls.Config{}, []*signer{good}, TLS{CA: "/nonexistent/ca.pem"}, "", "/nonexistent/ca.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Kind: client.TLS, Host: "127.0.0.1", Port: secure(t, tt.server, tt.chain...), TLS: &tt.tls}
			if tt.host == "" && tt.tls.ServerName == "" {
				tt.tls.ServerName = "server.example"
			}
			c, err := roundTrip(t, cfg)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if insecure := tt.tls.Insecure && tt.tls.Pins == nil; c.Info().Insecure != insecure {
					t.Errorf("Insecure is %v, want %v", c.Info().Insecure, insecure)
				}
				return
			}
			var cause client.Cause
			if !errors.As(err, &cause) || !strings.Contains(cause.Text, tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// Every sentence of the table that belongs to another fault is another one.
func TestTLSFaultsDoNotShareASentence(t *testing.T) {
	seen := map[string]string{}
	for name, e := range map[string]error{
		"self-signed": x509.UnknownAuthorityError{Cert: sign(t, nil, nil).cert},
		"authority":   x509.UnknownAuthorityError{Cert: sign(t, sign(t, nil, isCA), nil).cert},
		"host":        x509.HostnameError{Certificate: sign(t, nil, forHost).cert, Host: "a.example"},
		"address":     x509.HostnameError{Certificate: sign(t, nil, forHost).cert, Host: "192.0.2.1"},
		"password":    errPassword,
		"pin":         errPin,
		"plain":       tls.RecordHeaderError{},
	} {
		text := explain(e, &TLS{}, false).Text
		if was, ok := seen[text]; ok {
			t.Errorf("%s and %s share the sentence %q", name, was, text)
		}
		seen[text] = name
	}
}

// Encrypted keys as the tools in the field write them, and the wrong password:
// its own sentence, without the password.
func TestEncryptedKeys(t *testing.T) {
	root := sign(t, nil, isCA)
	own := sign(t, root, nil)
	cert, plain := write(t, own.block()), write(t, own.keyBlock(t))
	dir := t.TempDir()
	for name, args := range map[string][]string{
		"DEK-Info":      {"ec", "-aes128", "-passout", "pass:sesame"},
		"PKCS #8 PBES2": {"pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:sesame"},
		"PKCS #8 SHA-1": {"pkcs8", "-topk8", "-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1", "-passout", "pass:sesame"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, strings.ReplaceAll(name, " ", "")+".pem")
			if out, err := exec.CommandContext(t.Context(), "openssl", append(args, "-in", plain, "-out", file)...).CombinedOutput(); err != nil {
				t.Skipf("needs an openssl program that encrypts keys: %v: %s", err, out)
			}
			if _, err := readPair(cert, file, "sesame"); err != nil {
				t.Error(err)
			}
			secret := filepath.Join(dir, "password")
			if err := os.WriteFile(secret, []byte("sesame\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := (&TLS{Cert: cert, Key: file, PasswordFile: secret}).pair(); err != nil {
				t.Errorf("with a password file: %v", err)
			}
			if _, err := (&TLS{Cert: cert, Key: file, PasswordFile: secret + "9"}).pair(); err == nil || !strings.Contains(err.Error(), "key_password_file") {
				t.Errorf("without the password file: %v", err)
			}
			_, err := readPair(cert, file, "opensesame2")
			if !errors.Is(err, errPassword) || strings.Contains(err.Error(), "opensesame2") {
				t.Errorf("the wrong password: %v", err)
			}
			if _, err := readPair(cert, file, ""); err == nil || !strings.Contains(err.Error(), "set key_password") {
				t.Errorf("no password: %v", err)
			}
		})
	}
	if _, err := readPair(cert, cert, ""); err == nil || !strings.Contains(err.Error(), "no private key") {
		t.Errorf("a certificate as key: %v", err)
	}
}

// A certificate that is renewed on disk is used by the next handshake; one that
// ends soon is warned of.
func TestFilesAreReadAgain(t *testing.T) {
	root := sign(t, nil, isCA)
	server := sign(t, root, func(c *x509.Certificate) { forHost(c); c.NotAfter = time.Now().Add(20 * 24 * time.Hour) })
	port := secure(t, &tls.Config{}, server)
	ca := write(t, sign(t, nil, isCA).block())
	cfg := Config{Kind: client.TLS, Host: "127.0.0.1", Port: port, TLS: &TLS{CA: ca, ServerName: "server.example"}}
	if _, err := roundTrip(t, cfg); err == nil {
		t.Fatal("connected with the wrong CA")
	}
	if err := os.WriteFile(ca, pem.EncodeToMemory(root.block()), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := roundTrip(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Info().Warning; !strings.Contains(w, "ends in 19 days") {
		t.Errorf("warning %q", w)
	}
	if c.Info().Version != "TLS 1.3" || c.Info().Expires.IsZero() {
		t.Errorf("info %+v", c.Info())
	}
}

// The wire is counted below TLS, so that a confirmation means the record and
// not the plain text.
func TestTLSIsCountedOnTheWire(t *testing.T) {
	root := sign(t, nil, isCA)
	port := secure(t, &tls.Config{}, sign(t, root, forHost))
	c, err := roundTrip(t, Config{Kind: client.TLS, Host: "127.0.0.1", Port: port, TLS: &TLS{CA: write(t, root.block()), ServerName: "server.example"}})
	if err != nil {
		t.Fatal(err)
	}
	before := c.Written()
	if _, err := c.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if n := c.Written() - before; n <= 1000 || n > 1100 {
		t.Errorf("1,000 bytes weigh %d on the wire", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := c.Shut(ctx); err != nil {
		t.Error(err)
	}
}
