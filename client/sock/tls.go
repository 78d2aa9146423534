package sock

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"luatnetd/client"
)

// expiryWarning is how early a certificate's end is warned of.
const expiryWarning = 30 * 24 * time.Hour

// TLS is how the two ends prove who they are. Files are read at each
// handshake, so a new certificate needs no restart.
type TLS struct {
	CA           string   // PEM file: the authorities, or intermediates, that are trusted; "" for the system's
	Cert, Key    string   // PEM files of our own certificate: mutual TLS
	Password     string   // of an encrypted Key, or
	PasswordFile string   // the file that holds it
	ServerName   string   // what the certificate must be for; "" for the host
	Pins         []string // SHA-256 of the server's public key (SPKI), hex or base64; any of them. See byPin
	Insecure     bool     // nobody checks who the server is, except for Pins
	MinVersion   uint16   // tls.VersionTLS12 or above; 0 for 1.2
	Suites       []string // suites of TLS 1.2 or DTLS 1.2 by IANA name, also old ones; empty for the library's choice

	PSK, PSKIdentity string // DTLS with a pre-shared key, hex; no certificates then

	Now     func() time.Time // the time that certificates are judged by; nil for the system clock
	Trusted func() bool      // whether that time can be trusted; nil for yes

	Log      *slog.Logger // nil for none
	LogLevel int          // sslLog: 0 nothing, 1 faults, 2 what was agreed, 3 every detail; all as debug lines
}

func (t *TLS) now() time.Time {
	if t.Now == nil {
		return time.Now()
	}
	return t.Now()
}

// errPin says that the server is another one than it was.
var errPin = errors.New("the server's public key is none of the pinned ones")

// shake makes the TLS handshake over the wire.
func (c *Conn) shake(ctx context.Context) error {
	if c.cfg.TLS == nil {
		c.cfg.TLS = &TLS{}
	}
	if c.cfg.Kind == client.DTLS {
		return c.shakeDTLS(ctx)
	}
	conf, err := c.tlsConfig()
	if err != nil {
		return &ownError{err}
	}
	t := tls.Client(c.wire, conf)
	if err := t.HandshakeContext(ctx); err != nil {
		return err
	}
	c.Conn = t
	c.describe(t.ConnectionState())
	c.logAgreed(t.ConnectionState())
	return nil
}

// byPin reports whether the pin takes the place of the certificate's names: the
// server is addressed by IP, and its certificate has no IP in it, as is usual.
// A CA, if there is one, must still have signed it.
func (c *Conn) byPin() bool {
	return len(c.cfg.TLS.Pins) > 0 && c.cfg.TLS.ServerName == "" && net.ParseIP(c.cfg.Host) != nil
}

// tlsConfig builds the configuration from the files as they are now.
func (c *Conn) tlsConfig() (*tls.Config, error) {
	t := c.cfg.TLS
	conf := &tls.Config{
		ServerName: t.ServerName, MinVersion: max(t.MinVersion, tls.VersionTLS12), Time: t.now,
		InsecureSkipVerify: t.Insecure, // only where the configuration says so in writing; status shows it
	}
	if conf.ServerName == "" {
		conf.ServerName = c.cfg.Host
	}
	var err error
	if c.cfg.Kind == client.TLS { // DTLS has a list of its own
		if conf.CipherSuites, err = suites(t.Suites); err != nil {
			return nil, err
		}
	}
	if t.CA != "" {
		if conf.RootCAs, err = readCA(t.CA); err != nil {
			return nil, err
		}
	}
	if t.Cert != "" {
		own, err := t.pair()
		if err != nil {
			return nil, err
		}
		conf.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			c.logAsked(r, true)
			return own, nil
		}
		c.warn("our certificate "+t.Cert, own.Leaf)
	} else {
		conf.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			c.logAsked(r, false)
			c.askedFor = true // TLS 1.3 refuses only after the handshake
			return &tls.Certificate{}, nil
		}
	}
	if c.byPin() {
		conf.InsecureSkipVerify = true // checkPeer does it, without the name
	}
	conf.VerifyConnection = func(s tls.ConnectionState) error {
		c.logChain(s.PeerCertificates)
		return c.checkPeer(conf, s.PeerCertificates)
	}
	return conf, nil
}

// checkPeer checks the pins and, where they stand for the name, the chain.
func (c *Conn) checkPeer(conf *tls.Config, chain []*x509.Certificate) error {
	t := c.cfg.TLS
	if c.byPin() && conf.RootCAs != nil && !t.Insecure {
		if err := t.verify(conf, chain, ""); err != nil {
			return err
		}
	}
	return t.pinned(chain)
}

// errNoCertificate says that nobody knows who the server is.
var errNoCertificate = errors.New("the server has shown no certificate")

// verify checks the chain, by our clock, and the name unless it is "".
func (t *TLS) verify(conf *tls.Config, chain []*x509.Certificate, name string) error {
	if len(chain) == 0 {
		return errNoCertificate
	}
	opts := x509.VerifyOptions{Roots: conf.RootCAs, DNSName: name, CurrentTime: t.now(), Intermediates: x509.NewCertPool()}
	for _, cert := range chain[1:] {
		opts.Intermediates.AddCert(cert)
	}
	_, err := chain[0].Verify(opts)
	return err
}

// pinned compares the server's key with the pins.
func (t *TLS) pinned(chain []*x509.Certificate) error {
	if len(t.Pins) == 0 {
		return nil
	}
	if len(chain) == 0 {
		return errPin
	}
	sum := sha256.Sum256(chain[0].RawSubjectPublicKeyInfo)
	for _, p := range t.Pins {
		if strings.EqualFold(p, hex.EncodeToString(sum[:])) || p == base64.StdEncoding.EncodeToString(sum[:]) {
			return nil
		}
	}
	return fmt.Errorf("%w: it is %s", errPin, hex.EncodeToString(sum[:]))
}

// suites turns IANA names into numbers.
func suites(names []string) ([]uint16, error) {
	var ids []uint16
next:
	for _, name := range names {
		for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if s.Name == name {
				ids = append(ids, s.ID)
				continue next
			}
		}
		return nil, fmt.Errorf("cipher suite %s is unknown; use an IANA name such as TLS_RSA_WITH_AES_128_CBC_SHA", name)
	}
	return ids, nil
}

// readCA reads the trusted certificates. An intermediate may stand there alone,
// as in LuatOS's demo: it is trusted as it is.
func readCA(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca: %s holds no certificate (expected -----BEGIN CERTIFICATE-----)", file)
	}
	return pool, nil
}

// describe notes what a person wants to know.
func (c *Conn) describe(s tls.ConnectionState) {
	c.info.Insecure = c.cfg.TLS.Insecure && len(c.cfg.TLS.Pins) == 0
	c.info.Version, c.info.Suite = tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite)
	if len(s.PeerCertificates) > 0 {
		c.info.Expires = s.PeerCertificates[0].NotAfter
		c.warn("the server's certificate", s.PeerCertificates[0])
	}
}

// warn notes a certificate that ends soon.
func (c *Conn) warn(whose string, cert *x509.Certificate) {
	if cert == nil {
		return
	}
	if left := cert.NotAfter.Sub(c.cfg.TLS.now()); left < expiryWarning {
		if c.info.Warning != "" {
			c.info.Warning += "; "
		}
		c.info.Warning += fmt.Sprintf("%s ends in %d days, on %s", whose, max(0, int(left.Hours()/24)), cert.NotAfter.Format(time.DateOnly))
	}
}

// selfSigned reports whether nobody but itself vouches for a certificate.
func selfSigned(cert *x509.Certificate) bool {
	return cert != nil && bytes.Equal(cert.RawIssuer, cert.RawSubject) && cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}
