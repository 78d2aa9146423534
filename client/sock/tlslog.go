package sock

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"time"
)

// sslLog's levels as LuatOS gives them (SEED part 6): 0 prints nothing.
const (
	logFaults = 1 // errors and warnings
	logAgreed = 2 // most of the handshake
	logDetail = 3 // every certificate and question
)

// sslLog writes one debug line if the connection's level asks for it. Nothing
// of a key or password is ever an argument.
func (c *Conn) sslLog(level int, msg string, args ...any) {
	t := c.cfg.TLS
	if t == nil || t.Log == nil || t.LogLevel < level {
		return
	}
	t.Log.With("connection", c.cfg.Name, "ssl_level", level).Log(context.Background(), slog.LevelDebug, msg, args...)
}

func (c *Conn) logAgreed(s tls.ConnectionState) {
	c.sslLog(logAgreed, "TLS agreed", "version", tls.VersionName(s.Version), "suite", tls.CipherSuiteName(s.CipherSuite), "server_name", s.ServerName)
	if c.info.Warning != "" {
		c.sslLog(logFaults, "TLS warning", "warning", c.info.Warning)
	}
	if c.info.Insecure {
		c.sslLog(logFaults, "TLS warning", "warning", "nobody checks who the server is")
	}
}

func (c *Conn) logAsked(r *tls.CertificateRequestInfo, have bool) {
	c.sslLog(logAgreed, "the server asks for a client certificate", "configured", have)
	c.sslLog(logDetail, "the server's authorities for clients", "count", len(r.AcceptableCAs), "signatures", len(r.SignatureSchemes))
}

func (c *Conn) logChain(chain []*x509.Certificate) {
	for i, cert := range chain {
		c.sslLog(logDetail, "the server's certificate", "depth", i, "subject", cert.Subject.String(), "issuer", cert.Issuer.String(),
			"from", cert.NotBefore.Format(time.DateOnly), "to", cert.NotAfter.Format(time.DateOnly))
	}
}
