package config

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"luatnetd/client"
)

// tls checks [connection.tls]. The files are looked at when the connection is
// made: they may change, and this package reads none.
func (c *checker) tls(r *rawConnection, n *Connection) {
	t := &r.TLS
	if !encrypted(n.Kind) {
		if t.At != nil {
			c.bad(t.At, "connection.tls", "[connection.tls]", `no such section without kind = "tls" or "dtls"`, "write kind = \"tls\"")
		}
		return
	}
	n.TLS = TLS{
		CA: c.file(t.CA, "/etc/luatnetd/ca.pem"), Cert: c.file(t.Cert, "/etc/luatnetd/client.pem"), Key: c.file(t.Key, "/etc/luatnetd/client.key"),
		KeyPassword: Secret(t.KeyPassword.V), KeyPasswordFile: c.file(t.KeyPasswordFile, "/etc/luatnetd/client.pw"),
		Insecure: t.Insecure.V, MinVersion: t.MinVersion.or(defMinVersion), Log: int(t.Log.V),
	}
	if n.Kind == client.DTLS && n.TLS.MinVersion != defMinVersion {
		c.wrong(t.MinVersion.At, quote(defMinVersion)+": there is no DTLS 1.3 here", "")
	}
	c.trust(t, n)
	c.ownKey(t)
	n.TLS.Suites = c.suites(t.Suites, knownSuites(n.Kind, !t.PSK.absent()))
	c.psk(t, n)
}

func (c *checker) file(v val[string], such string) string {
	if v.At != nil && v.V != "" {
		c.absolute(v.At, v.V, such)
	}
	return v.V
}

// trust checks by what the server is known.
func (c *checker) trust(t *rawTLS, n *Connection) {
	if t.ServerName.At != nil && t.ServerName.V != "" && !validServer(t.ServerName.V) {
		c.wrong(t.ServerName.At, "the name in the server's certificate, such as \"gw.example.com\"", "")
	}
	n.TLS.ServerName = t.ServerName.V
	for _, it := range t.Pin.V {
		b, err := hex.DecodeString(strings.ReplaceAll(it.V, ":", ""))
		if err != nil {
			b, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(it.V, "sha256/"))
		}
		if err != nil || len(b) != 32 {
			c.bad(it.At, "connection.tls.pin", quote(it.V), "SHA-256 of a public key, 64 hex digits or base64", "openssl x509 -in server.pem -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256")
			continue
		}
		n.TLS.Pin = append(n.TLS.Pin, hex.EncodeToString(b))
	}
	if n.TLS.Insecure && n.TLS.CA != "" {
		c.wrong(t.Insecure.At, "either insecure = true or a ca", "with insecure nobody looks at the certificate: take it out")
	}
}

// ownKey checks our certificate for mutual TLS.
func (c *checker) ownKey(t *rawTLS) {
	has := func(v val[string]) bool { return v.At != nil && v.V != "" }
	switch {
	case has(t.Cert) && !has(t.Key):
		c.missing(t.At, "key", "the private key of cert", "write key = \"/etc/luatnetd/client.key\"")
	case has(t.Key) && !has(t.Cert):
		c.missing(t.At, "cert", "the certificate of key", "write cert = \"/etc/luatnetd/client.pem\"")
	case has(t.KeyPassword) && has(t.KeyPasswordFile):
		c.wrong(t.KeyPasswordFile.At, "one of key_password and key_password_file", "")
	case has(t.KeyPassword) && !has(t.Key):
		c.wrong(t.KeyPassword.At, "no key_password without key", "")
	case has(t.KeyPasswordFile) && !has(t.Key):
		c.wrong(t.KeyPasswordFile.At, "no key_password_file without key", "")
	}
}

// knownSuites are the names that suites may hold: of RFC 5246 and later, also
// those that are off unless they are named.
func knownSuites(k client.Kind, psk bool) (known []string) {
	if k == client.DTLS {
		return client.DTLSSuites(psk)
	}
	known = []string{"TLS_RSA_WITH_AES_128_CBC_SHA"} // first: messages name it, as LuatOS's lesson does
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		known = append(known, s.Name)
	}
	return known
}

func (c *checker) suites(v val[[]item], known []string) (list []string) {
	for _, it := range v.V {
		if !slices.Contains(known, it.V) {
			c.bad(it.At, "connection.tls.suites", quote(it.V), "the name of a cipher suite such as "+quote(known[0]), didYouMean(it.V, known))
			continue
		}
		list = append(list, it.V)
	}
	return list
}

// psk checks the shared key, which DTLS only has.
func (c *checker) psk(t *rawTLS, n *Connection) {
	if t.PSK.absent() && t.PSKIdentity.absent() {
		return
	}
	first := firstNode(t.PSK.At, t.PSKIdentity.At)
	b, err := hex.DecodeString(t.PSK.V)
	switch {
	case first == nil || t.PSK.Bad || t.PSKIdentity.Bad:
	case n.Kind != client.DTLS:
		c.wrong(first, "no psk without kind = \"dtls\"", "TLS wants certificates: ca, cert and key")
	case t.PSK.At == nil:
		c.missing(t.At, "psk", "the key in hex", "")
	case t.PSKIdentity.absent():
		c.missing(t.At, "psk_identity", "the name that belongs to psk", "")
	case err != nil || len(b) == 0 || len(b) > 64:
		c.wrong(t.PSK.At, "1 to 64 bytes in hex", "")
	case t.CA.At != nil || t.Cert.At != nil:
		c.wrong(first, "either psk or certificates", "")
	case t.PSKIdentity.V == "" || !printable(t.PSKIdentity.V):
		c.wrong(t.PSKIdentity.At, "printable text", "")
	default:
		n.TLS.PSK, n.TLS.PSKIdentity = Secret(t.PSK.V), t.PSKIdentity.V
	}
}
