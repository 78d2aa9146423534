//go:build luatnetd_dtls

package sock

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/pion/dtls/v3"
	dtlsnet "github.com/pion/dtls/v3/pkg/net"
)

// shakeDTLS makes the DTLS 1.2 handshake: with certificates, or with a
// pre-shared key (in LuatOS server_cert is the key, client_cert the identity).
func (c *Conn) shakeDTLS(ctx context.Context) error {
	conf, err := c.dtlsConfig()
	if err != nil {
		return &ownError{err}
	}
	d, err := dtls.Client(dtlsnet.PacketConnFromConn(c.wire), c.wire.RemoteAddr(), conf)
	if err != nil {
		return err
	}
	if err := d.HandshakeContext(ctx); err != nil {
		return err
	}
	c.Conn = d
	c.info.Version, c.info.Insecure = "DTLS 1.2", c.cfg.TLS.Insecure && len(c.cfg.TLS.Pins) == 0
	s, ok := d.ConnectionState()
	if !ok {
		return nil
	}
	c.info.Suite = dtls.CipherSuiteName(s.CipherSuiteID)
	if len(s.PeerCertificates) > 0 {
		if cert, err := x509.ParseCertificate(s.PeerCertificates[0]); err == nil {
			c.info.Expires = cert.NotAfter
			c.warn("the server's certificate", cert)
		}
	}
	return nil
}

// dtlsSuites turns IANA names into numbers; nil is the library's choice.
func dtlsSuites(names []string) ([]dtls.CipherSuiteID, error) {
	var ids []dtls.CipherSuiteID
	known := dtls.CipherSuites()
	for _, name := range names {
		i := slices.IndexFunc(known, func(s *tls.CipherSuite) bool { return s.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("cipher suite %s is unknown to DTLS 1.2 here; use an IANA name such as TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", name)
		}
		ids = append(ids, dtls.CipherSuiteID(known[i].ID))
	}
	return ids, nil
}

func (c *Conn) dtlsConfig() (*dtls.Config, error) {
	t := c.cfg.TLS
	ids, err := dtlsSuites(t.Suites)
	if err != nil {
		return nil, err
	}
	if t.PSK != "" {
		key, err := hex.DecodeString(t.PSK)
		if err != nil {
			return nil, fmt.Errorf("psk: it is not hexadecimal") // the key itself is no part of the message
		}
		if ids == nil {
			ids = []dtls.CipherSuiteID{dtls.TLS_PSK_WITH_AES_128_GCM_SHA256, dtls.TLS_PSK_WITH_AES_128_CCM_8, dtls.TLS_PSK_WITH_AES_128_CCM}
		}
		return &dtls.Config{
			PSK: func([]byte) ([]byte, error) { return key, nil }, PSKIdentityHint: []byte(t.PSKIdentity), CipherSuites: ids,
		}, nil
	}
	base, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	conf := &dtls.Config{
		ServerName: base.ServerName, CipherSuites: ids,
		InsecureSkipVerify: true, // the library judges dates by the system's clock: the callback judges instead, by ours
	}
	conf.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		var chain []*x509.Certificate
		for _, r := range raw {
			cert, err := x509.ParseCertificate(r)
			if err != nil {
				return err
			}
			chain = append(chain, cert)
		}
		c.logChain(chain)
		if !base.InsecureSkipVerify {
			if err := t.verify(base, chain, base.ServerName); err != nil {
				return err
			}
		}
		return c.checkPeer(base, chain)
	}
	if t.Cert != "" {
		own, err := t.pair()
		if err != nil {
			return nil, err
		}
		conf.Certificates = []tls.Certificate{*own}
	}
	return conf, nil
}
