package sock

import (
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// FuzzReply: whatever a DNS server sends gives addresses or an error.
func FuzzReply(f *testing.F) {
	q := dnsmessage.Question{Name: dnsmessage.MustNewName("server.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	head := dnsmessage.Header{ID: 7, Response: true}
	m := dnsmessage.Message{Header: head, Questions: []dnsmessage.Question{q}, Answers: []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}},
	}}}
	whole, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := reply(b, 7, q)
		if !ok {
			return
		}
		if m.ID != 7 || len(m.Questions) != 1 {
			t.Fatalf("taken for an answer: %+v", m.Header)
		}
		if list, err := addresses(m); err != nil && len(list) > 0 {
			t.Fatalf("both %v and %v", list, err)
		}
	})
}

// FuzzKeyFile: whatever stands in a key file gives a key or an error, with any password.
func FuzzKeyFile(f *testing.F) {
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "")
	f.Add([]byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAwAA==\n-----END ENCRYPTED PRIVATE KEY-----\n"), "sesame")
	f.Add([]byte("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n"), "sesame")
	f.Fuzz(func(t *testing.T, text []byte, password string) {
		if out, err := openKey(text, password); err == nil && len(out) == 0 {
			t.Fatal("neither a key nor an error")
		}
	})
}
