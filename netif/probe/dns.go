package probe

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"luatnetd/internal/bind"
)

// rootNS is the question: every resolver has the answer at hand, and nothing
// about us is in it.
var rootNS = dnsmessage.Question{
	Name: dnsmessage.MustNewName("."), Type: dnsmessage.TypeNS, Class: dnsmessage.ClassINET,
}

// errNotOurs marks a datagram that is no answer to our question: a late or
// forged one. The probe goes on waiting.
var errNotOurs = errors.New("not an answer to this question")

// resolve sends one question over UDP and waits for its answer.
func resolve(ctx context.Context, b bind.Bind, to netip.AddrPort) (time.Duration, error) {
	conn, err := b.Dialer(0).DialContext(ctx, "udp", address(to, b.Device))
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	defer limit(ctx, conn)()
	var id [2]byte
	_, _ = rand.Read(id[:]) // never fails
	query, err := question(binary.BigEndian.Uint16(id[:]))
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if _, err := conn.Write(query); err != nil {
		return 0, err
	}
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return 0, err
		}
		if err := checkAnswer(query, buf[:n]); !errors.Is(err, errNotOurs) {
			return time.Since(start), err
		}
	}
}

func question(id uint16) ([]byte, error) {
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{rootNS},
	}
	query, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("make DNS question: %w", err)
	}
	return query, nil
}

// checkAnswer reports nil if message answers query, errNotOurs if it does not
// belong to it, and else what is wrong with the server.
func checkAnswer(query, message []byte) error {
	var p dnsmessage.Parser
	h, err := p.Start(message)
	if err != nil || !h.Response || h.ID != binary.BigEndian.Uint16(query) {
		return errNotOurs
	}
	questions, err := p.AllQuestions()
	if err != nil || len(questions) != 1 || questions[0] != rootNS {
		return errNotOurs
	}
	switch {
	case h.RCode != dnsmessage.RCodeSuccess && h.RCode != dnsmessage.RCodeNameError:
		return fmt.Errorf("the DNS server answered %s", rcode(h.RCode))
	case h.RCode == dnsmessage.RCodeNameError, h.Truncated:
		return nil // too big for UDP, but from there
	}
	if _, err := p.AnswerHeader(); err == nil {
		return nil
	}
	if p.SkipAllAnswers() == nil {
		if _, err := p.AuthorityHeader(); err == nil {
			return nil // a referral
		}
	}
	return errors.New("the DNS server answered without any record")
}

func rcode(c dnsmessage.RCode) string {
	names := map[dnsmessage.RCode]string{
		dnsmessage.RCodeFormatError: "FORMERR", dnsmessage.RCodeServerFailure: "SERVFAIL",
		dnsmessage.RCodeNotImplemented: "NOTIMP", dnsmessage.RCodeRefused: "REFUSED",
	}
	if s, ok := names[c]; ok {
		return s
	}
	return fmt.Sprintf("code %d", c)
}
