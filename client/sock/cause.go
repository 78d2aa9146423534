package sock

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"luatnetd/client"
)

// errnoCause maps what the kernel says to what LuatOS's logs show, in words.
// Reached is true where the other end itself has answered.
var errnoCause = map[unix.Errno]client.Cause{
	unix.ECONNREFUSED:  {Code: client.CodeReset, Text: "the server refuses the connection: nobody listens on that port", Reached: true},
	unix.ECONNRESET:    {Code: client.CodeReset, Text: "the server reset the connection", Reached: true},
	unix.EPIPE:         {Code: client.CodeClosed, Text: "the server has closed the connection", Reached: true},
	unix.ECONNABORTED:  {Code: client.CodeAborted, Text: "the connection was aborted here"},
	unix.ETIMEDOUT:     {Code: client.CodeTimeout, Text: "no answer from the server in time"},
	unix.EHOSTUNREACH:  {Code: client.CodeRoute, Text: "no route to the server: its network says that the host is unreachable"},
	unix.ENETUNREACH:   {Code: client.CodeRoute, Text: "no route to the server: the uplink has no way there"},
	unix.ENETDOWN:      {Code: client.CodeRoute, Text: "the uplink is down"},
	unix.ENODEV:        {Code: client.CodeRoute, Text: "the uplink's device is gone"},
	unix.EADDRNOTAVAIL: {Code: client.CodeInUse, Text: "the local address is not there, or no local port is free"},
	unix.EADDRINUSE:    {Code: client.CodeInUse, Text: "the local port is in use"},
	unix.ENOMEM:        {Code: client.CodeMemory, Text: "out of memory"},
	unix.ENOBUFS:       {Code: client.CodeMemory, Text: "out of buffers"},
	unix.EMFILE:        {Code: client.CodeMemory, Text: "too many open files"},
	unix.ENOTCONN:      {Code: client.CodeNotConnected, Text: "not connected"},
	unix.EACCES:        {Code: client.CodeArgument, Text: "not allowed by this machine"},
	unix.EPERM:         {Code: client.CodeArgument, Text: "not allowed by this machine: a firewall rule or a missing capability"},
	unix.EMSGSIZE:      {Code: client.CodeArgument, Text: "the datagram is too large for the path"},
	unix.EAFNOSUPPORT:  {Code: client.CodeArgument, Text: "the address family is not available here"},
}

// Cause explains an error of dialling, reading or writing. A nil error is a
// zero Cause; a Cause stays what it is.
func Cause(err error) client.Cause { return oneLine(explain(err, nil, false)) }

// cause explains an error of this connection: it knows the files and the clock.
func (c *Conn) cause(err error) client.Cause { return oneLine(explain(err, c.cfg.TLS, c.askedFor)) }

// oneLine keeps a cause what a log and a status want: one line.
func oneLine(c client.Cause) client.Cause {
	c.Text = strings.ReplaceAll(c.Text, "\n", "; ")
	return c
}

func explain(err error, t *TLS, asked bool) client.Cause {
	var already client.Cause
	var name *nameError
	var own *ownError
	var errno unix.Errno
	switch {
	case err == nil:
		return client.Cause{}
	case errors.As(err, &already):
		return already
	case errors.As(err, &name): // before errno: what DNS says is not what the server says
		return name.cause()
	case errors.As(err, &own):
		return client.Cause{Code: client.CodeArgument, Text: own.Error(), Reached: true}
	}
	if text, ok := tlsSentence(err, t, asked); ok {
		return client.Cause{Code: client.CodeAborted, Text: text, Reached: true}
	}
	if errors.As(err, &errno) {
		if c, ok := errnoCause[errno]; ok {
			return named(c, err)
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return named(client.Cause{Code: client.CodeTimeout, Text: "no answer from the server in time"}, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return client.Cause{Code: client.CodeClosed, Text: "the server has closed the connection", Reached: true}
	case errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled):
		return client.Cause{Code: client.CodeAborted, Text: "the connection was closed here"}
	}
	return client.Cause{Code: client.CodeAborted, Text: err.Error()}
}

// ownError is a fault of our configuration or of its files, found after the
// server was reached. No network is to blame, so it counts as reached: the
// network watchdog must not reboot for it.
type ownError struct{ err error }

func (e *ownError) Error() string { return e.err.Error() }
func (e *ownError) Unwrap() error { return e.err }

// named adds the address that an error is about.
func named(c client.Cause, err error) client.Cause {
	if head, _, ok := strings.Cut(err.Error(), ": "); ok && strings.HasPrefix(head, "connect to ") {
		c.Text = head + ": " + c.Text
	}
	return c
}

// TLS alerts that say what is missing (RFC 8446 §6.2).
const (
	alertHandshakeFailure = 40
	alertBadCertificate   = 42
	alertUnknownCA        = 48
	alertProtocolVersion  = 70
	alertCertRequired     = 116
	alertUnknownPSK       = 115
)

// tlsSentence explains what TLS refused; false: it was not TLS.
func tlsSentence(err error, t *TLS, asked bool) (string, bool) {
	if t == nil {
		return "", false
	}
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var header tls.RecordHeaderError
	switch {
	case errors.Is(err, errPin), errors.Is(err, errNoCertificate):
		return err.Error(), true
	case errors.As(err, &unknown):
		return authority(unknown, t), true
	case errors.As(err, &host):
		return otherHost(host), true
	case errors.As(err, &invalid):
		return invalidSentence(invalid, t), true
	case errors.As(err, &header):
		return "the server does not speak TLS on that port", true
	}
	if code, ok := alert(err); ok {
		return alertSentence(code, err, t, asked), true
	}
	if strings.Contains(err.Error(), "tls: server selected unsupported protocol version") {
		return "the server speaks an older TLS than 1.2, which is not secure", true
	}
	return "", false
}

func authority(e x509.UnknownAuthorityError, t *TLS) string {
	where := "the system's authorities"
	if t.CA != "" {
		where = t.CA
	}
	if selfSigned(e.Cert) {
		return "the server's certificate is self-signed and is not in " + where
	}
	return "the server's certificate is signed by an authority that is not in " + where
}

func otherHost(e x509.HostnameError) string {
	if net.ParseIP(e.Host) != nil {
		return fmt.Sprintf("the server's certificate does not name the address %s; set server_name to one of its names (%s), or pin its key", e.Host, names(e.Certificate))
	}
	return fmt.Sprintf("the server's certificate is for %s, not for %s", names(e.Certificate), e.Host)
}

func names(c *x509.Certificate) string {
	list := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		list = append(list, ip.String())
	}
	if len(list) == 0 {
		return "no host at all"
	}
	return strings.Join(list, ", ")
}

// invalidSentence explains a date, or another fault of a certificate. Where the
// clock cannot be trusted, it is to blame before the certificate.
func invalidSentence(e x509.CertificateInvalidError, t *TLS) string {
	if e.Reason != x509.Expired || e.Cert == nil {
		return "the server's certificate is not valid: " + e.Error()
	}
	now := t.now()
	text := "the server's certificate has expired on " + e.Cert.NotAfter.Format(time.DateOnly)
	if now.Before(e.Cert.NotBefore) {
		text = "the server's certificate is not valid before " + e.Cert.NotBefore.Format(time.DateOnly)
	}
	if t.Trusted != nil && !t.Trusted() {
		return text + fmt.Sprintf("; but this machine's clock says %s and nobody has set it yet: time first, then the certificate", now.Format(time.DateOnly))
	}
	return text
}

// alert returns the alert that the other end sent.
func alert(err error) (uint8, bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return 0, false
	}
	v := reflect.ValueOf(op.Err) // crypto/tls keeps the type of an alert to itself
	if v.Kind() != reflect.Uint8 {
		return 0, false
	}
	return uint8(v.Uint()), true
}

func alertSentence(code uint8, err error, t *TLS, asked bool) string {
	switch code {
	case alertProtocolVersion:
		return "the server speaks an older TLS than 1.2, which is not secure"
	case alertCertRequired, alertBadCertificate, alertHandshakeFailure:
		if asked && t.Cert == "" {
			return "the server wants a client certificate and there is none; set cert and key"
		}
		if code == alertBadCertificate {
			return "the server does not accept our certificate"
		}
	case alertUnknownCA:
		return "the server does not know the authority that signed our certificate"
	case alertUnknownPSK:
		return "the server does not know our PSK identity"
	}
	return "the server refused the TLS handshake: " + err.Error()
}
