package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"luatnetd/internal/pcap"
)

// Tap asks for a capture of packets: of one connection's, or of one uplink's
// that go to or come from Host and Port (zero: any).
type Tap struct {
	Connection, Uplink string
	Host               netip.Addr
	Port               uint16
	pcap.Bounds
}

// maxCaptures is how many captures may be under way: each may cost the box as
// much CPU as its uplinks carry.
const maxCaptures = 4

// summaryHeader is the trailer that says how a capture ended.
const summaryHeader = "Luatnetd-Capture"

// lateWrite is how long after its time a capture may still hold a reader that
// does not read.
const lateWrite = 5 * time.Second

func (s *Server) pcapRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/connection/{name}/pcap", s.capture(func(t *Tap, name string) { t.Connection = name }))
	mux.HandleFunc("GET /v1/uplink/{name}/pcap", s.capture(func(t *Tap, name string) { t.Uplink = name }))
}

// capture answers with a capture file, as it grows. A request that cannot be
// carried out has a JSON error as answer, like every other.
func (s *Server) capture(of func(*Tap, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t, err := parseTap(r.URL.Query())
		if err != nil {
			fail(w, &Error{Status: http.StatusBadRequest, Message: err.Error(), Hint: "docs/api.md has the limits of a capture"})
			return
		}
		of(&t, r.PathValue("name"))
		if s.captures.Add(1) > maxCaptures {
			err = &Error{Status: http.StatusTooManyRequests, Message: fmt.Sprintf("%d captures are under way", maxCaptures), Hint: "end one, or wait until one has ended"}
		}
		defer s.captures.Add(-1)
		begun := false
		var sum pcap.Summary
		if err == nil {
			sum, err = s.Capture(r.Context(), t, func() (io.Writer, func() error) {
				begun = true
				w.Header().Set("Content-Type", "application/vnd.tcpdump.pcap")
				w.Header().Set("Trailer", summaryHeader)
				answer := http.NewResponseController(w)
				_ = answer.SetWriteDeadline(time.Now().Add(t.Time + lateWrite))
				return w, answer.Flush
			})
		}
		if !begun {
			fail(w, err)
			return
		}
		if b, err := json.Marshal(sum); err == nil {
			w.Header().Set(summaryHeader, string(b))
		}
	}
}

func (t Tap) query() string {
	q := url.Values{}
	for name, n := range map[string]int{"bytes": t.Bytes, "packets": t.Packets, "snaplen": t.Snaplen, "port": int(t.Port)} {
		if n != 0 {
			q.Set(name, strconv.Itoa(n))
		}
	}
	if t.Time != 0 {
		q.Set("time", t.Time.String())
	}
	if t.Host.IsValid() {
		q.Set("host", t.Host.String())
	}
	return q.Encode()
}

// parseTap reads what query writes; what is absent has its default.
func parseTap(q url.Values) (t Tap, err error) {
	t.Bounds = pcap.Default
	port := 0
	for name, into := range map[string]*int{"bytes": &t.Bytes, "packets": &t.Packets, "snaplen": &t.Snaplen, "port": &port} {
		if v := q.Get(name); v != "" {
			if *into, err = strconv.Atoi(v); err != nil {
				return t, fmt.Errorf("%s=%s is not a number", name, v)
			}
		}
	}
	if port < 0 || port > 65535 {
		return t, fmt.Errorf("port=%d: want 1 to 65535", port)
	}
	t.Port = uint16(port)
	if v := q.Get("time"); v != "" {
		if t.Time, err = time.ParseDuration(v); err != nil {
			return t, fmt.Errorf("time=%s is not a duration", v)
		}
	}
	if v := q.Get("host"); v != "" {
		if t.Host, err = netip.ParseAddr(v); err != nil {
			return t, fmt.Errorf("host=%s is not an address", v)
		}
	}
	return t, t.Check()
}

// Capture asks for a capture and writes the file to what open returns, which is
// called when packets are being captured. A zero bound has its default. The end
// of ctx ends it in order.
func (c *Client) Capture(ctx context.Context, t Tap, open func() (io.Writer, error)) (sum pcap.Summary, err error) {
	path := "/v1/connection/" + url.PathEscape(t.Connection)
	if t.Uplink != "" {
		path = "/v1/uplink/" + url.PathEscape(t.Uplink)
	}
	resp, err := c.request(ctx, http.MethodGet, path+"/pcap?"+t.query())
	if err != nil {
		return sum, err
	}
	defer resp.Body.Close()
	out, err := open()
	if err != nil {
		return sum, err
	}
	got := &reader{r: resp.Body}
	_, err = io.Copy(out, got)
	switch {
	case got.err == nil && err != nil:
		return sum, err // of out
	case ctx.Err() != nil:
		return pcap.Summary{Packets: -1, Bytes: got.n, Ended: "you ended it"}, nil
	case err == nil && json.Unmarshal([]byte(resp.Trailer.Get(summaryHeader)), &sum) == nil:
		return sum, nil
	}
	return sum, errors.Join(fmt.Errorf("%w any more: the file has what came before", ErrNotRunning), err)
}

// reader counts, and tells its errors from the writer's.
type reader struct {
	r   io.Reader
	n   int
	err error
}

func (r *reader) Read(p []byte) (n int, err error) {
	n, err = r.r.Read(p)
	r.n += n
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}
