package probe

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"luatnetd/internal/bind"
)

// httpMax is how much of an answer is read, headers included.
const httpMax = 16 << 10

// get asks for a document and checks that it is the one expected. The client is
// hand-made from the parts of net/http: a Transport keeps goroutines that
// outlive the call, and follows proxies.
func get(ctx context.Context, b bind.Bind, target string) (time.Duration, error) {
	u, to, err := parseURL(target)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, fmt.Errorf("target %q: %w", target, err)
	}
	req.Header.Set("User-Agent", "luatnetd")
	req.Close = true // Connection: close
	start := time.Now()
	conn, err := b.Dialer(0).DialContext(ctx, "tcp", address(to, b.Device))
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	defer limit(ctx, conn)()
	if err := req.Write(conn); err != nil {
		return 0, err
	}
	resp, body, err := readResponse(conn, req)
	if err != nil {
		return 0, err
	}
	rtt := time.Since(start)
	return rtt, checkDocument(u, resp, body)
}

// parseURL wants plain HTTP to a literal address: a name would have to be
// resolved first, over another way than the one to be proven.
func parseURL(target string) (*url.URL, netip.AddrPort, error) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" || u.User != nil {
		return nil, netip.AddrPort{}, fmt.Errorf("target %q: want http://IP/…", target)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil, netip.AddrPort{}, fmt.Errorf("target %q: want an IP address as host", target)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, netip.AddrPort{}, fmt.Errorf("target %q: port %q", target, port)
	}
	return u, netip.AddrPortFrom(addr, uint16(n)), nil
}

// readResponse reads an answer and the start of its body.
func readResponse(r io.Reader, req *http.Request) (*http.Response, []byte, error) {
	br := bufio.NewReader(io.LimitReader(r, httpMax))
	for range 4 {
		resp, err := http.ReadResponse(br, req)
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return nil, nil, errors.New("the connection was closed before an answer")
		}
		if err != nil {
			return nil, nil, err
		}
		if resp.StatusCode >= 100 && resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			continue // interim answers (RFC 9110 §15.2)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		// A body longer than our limit ends like this; what there is is checked.
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, nil, err
		}
		return resp, body, nil
	}
	return nil, nil, errors.New("only interim answers")
}

// checkDocument reports why the answer is not the one that the URL promises.
func checkDocument(u *url.URL, resp *http.Response, body []byte) error {
	code := resp.StatusCode
	switch {
	case code >= 300 && code < 400:
		return fmt.Errorf("captive portal? redirected to %.80q", resp.Header.Get("Location"))
	case code == http.StatusNetworkAuthenticationRequired: // RFC 6585 §6
		return errors.New("captive portal: log-in required")
	case code < 200 || code > 299:
		return fmt.Errorf("the HTTP server answered %d", code)
	case strings.HasSuffix(u.Path, "/generate_204"):
		if code != http.StatusNoContent {
			return fmt.Errorf("captive portal? got %d with a document where 204 without one is due", code)
		}
	case u.Path == "/resolve" && u.Query().Get("short") == "1": // LuatOS httpdns.ali
		var list []json.RawMessage
		if code != http.StatusOK || json.Unmarshal(body, &list) != nil || len(list) == 0 {
			return fmt.Errorf("captive portal? got %d with another document than a list of addresses", code)
		}
	case u.Path == "/d" && u.Query().Has("dn"): // LuatOS httpdns.tx
		first := strings.FieldsFunc(string(body), func(r rune) bool { return strings.ContainsRune(",; \r\n", r) })
		if len(first) == 0 || !isAddr(first[0]) {
			return fmt.Errorf("captive portal? got %d with another document than a list of addresses", code)
		}
	}
	return nil
}

func isAddr(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
