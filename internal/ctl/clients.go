package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"luatnetd/client"
	"luatnetd/internal/status"
)

// Clients is what the server needs of the long connections. All fields are required.
type Clients struct {
	Connections func() []client.ConnStatus
	Ports       func() []status.Port
	Servers     func() []status.Server
	Trace       func(name string) (string, error)
	Queue       func(name string) (status.Queue, error)
	Send        func(ctx context.Context, target, to string, data []byte, wait bool) (Sent, error)
	Receive     func(ctx context.Context, from string, emit func(Received) error) error
	Shoot       func(ctx context.Context, name string, data []byte) (Shot, error)
	Time        func() status.Time
}

// Sent answers "ctl send": what each target said, and with wait each result.
type Sent struct {
	OK      bool     `json:"ok"`
	Targets []SentTo `json:"targets"`
	Results []Result `json:"results,omitempty"`
}

// SentTo is what one target said. Held is memory, run or disk: what the message
// survives.
type SentTo struct {
	Target  string `json:"target"`
	Held    string `json:"held,omitempty"`
	Refused string `json:"refused,omitempty"`
}

// Result is what became of an accepted message.
type Result struct {
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
}

// Received is what came from a server or from a client of a server of ours.
type Received struct {
	From   string    `json:"from"`
	Peer   string    `json:"peer,omitempty"`
	Prefix string    `json:"prefix,omitempty"`
	Data   []byte    `json:"data"` // base64
	At     time.Time `json:"at"`
}

// Shot is the result of a short connection, with LuatOS's words for it.
type Shot struct {
	OK     bool   `json:"ok"`
	Status string `json:"status"` // true, connect false, config false, create false, send false
	Reply  []byte `json:"reply,omitempty"`
	Error  string `json:"error,omitempty"`
}

func (s *Server) clientRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/connections", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.Connections()) })
	mux.HandleFunc("GET /v1/ports", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.Ports()) })
	mux.HandleFunc("GET /v1/servers", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.Servers()) })
	mux.HandleFunc("GET /v1/connection/{name}/trace", func(w http.ResponseWriter, r *http.Request) {
		text, err := s.Trace(r.PathValue("name"))
		reply(w, Reply{OK: true, Text: text}, err)
	})
	mux.HandleFunc("GET /v1/queue/{name}", func(w http.ResponseWriter, r *http.Request) {
		q, err := s.Queue(r.PathValue("name"))
		reply(w, q, err)
	})
	mux.HandleFunc("GET /v1/time", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.Time()) })
	mux.HandleFunc("GET /v1/receive", s.receive)
	send := func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		var sent Sent
		if err == nil {
			q := r.URL.Query()
			sent, err = s.Send(r.Context(), r.PathValue("name"), q.Get("to"), data, q.Get("wait") != "")
		}
		reply(w, sent, err)
	}
	mux.HandleFunc("POST /v1/send", send)
	mux.HandleFunc("POST /v1/send/{name}", send)
	mux.HandleFunc("POST /v1/oneshot/{name}", func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		var shot Shot
		if err == nil {
			shot, err = s.Shoot(r.Context(), r.PathValue("name"), data)
		}
		reply(w, shot, err)
	})
}

func reply(w http.ResponseWriter, v any, err error) {
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, v)
}

// receive answers with one JSON document a line until the client goes.
func (s *Server) receive(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc, flush := json.NewEncoder(w), http.NewResponseController(w)
	_ = flush.Flush() // the client knows at once that it is served
	_ = s.Receive(r.Context(), r.URL.Query().Get("from"), func(m Received) error {
		if err := enc.Encode(m); err != nil {
			return err
		}
		return flush.Flush()
	})
}

// Connections returns how every connection stands.
func (c *Client) Connections(ctx context.Context) ([]client.ConnStatus, error) {
	var list []client.ConnStatus
	return list, c.get(ctx, "/v1/connections", &list)
}

// Ports returns how every serial port stands.
func (c *Client) Ports(ctx context.Context) ([]status.Port, error) {
	var list []status.Port
	return list, c.get(ctx, "/v1/ports", &list)
}

// Servers returns how every LAN server stands.
func (c *Client) Servers(ctx context.Context) ([]status.Server, error) {
	var list []status.Server
	return list, c.get(ctx, "/v1/servers", &list)
}

// Trace returns what a connection did last.
func (c *Client) Trace(ctx context.Context, name string) (Reply, error) {
	var r Reply
	return r, c.get(ctx, "/v1/connection/"+url.PathEscape(name)+"/trace", &r)
}

// Queue returns how a connection's queue stands.
func (c *Client) Queue(ctx context.Context, name string) (status.Queue, error) {
	var q status.Queue
	return q, c.get(ctx, "/v1/queue/"+url.PathEscape(name), &q)
}

// Time returns the state of the clock.
func (c *Client) Time(ctx context.Context) (status.Time, error) {
	var t status.Time
	return t, c.get(ctx, "/v1/time", &t)
}

// Send hands a message to a target, or with "" to those the routes name. to is
// one client of a server; wait waits for the results.
func (c *Client) Send(ctx context.Context, target, to string, data []byte, wait bool) (Sent, error) {
	path := "/v1/send"
	if target != "" {
		path += "/" + url.PathEscape(target)
	}
	q := url.Values{}
	if to != "" {
		q.Set("to", to)
	}
	if wait {
		q.Set("wait", "1")
	}
	var s Sent
	return s, c.postBody(ctx, path+"?"+q.Encode(), data, &s)
}

// Shoot makes a short connection; no data sends the configured text.
func (c *Client) Shoot(ctx context.Context, name string, data []byte) (Shot, error) {
	var s Shot
	return s, c.postBody(ctx, "/v1/oneshot/"+url.PathEscape(name), data, &s)
}

// Receive calls f with what comes in until ctx ends.
func (c *Client) Receive(ctx context.Context, from string, f func(Received)) error {
	resp, err := c.request(ctx, http.MethodGet, "/v1/receive?from="+url.QueryEscape(from))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for dec := json.NewDecoder(resp.Body); ; {
		var r Received
		switch err := dec.Decode(&r); {
		case err == nil:
			f(r)
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("%w any more, or this reader was too slow", ErrNotRunning)
		default:
			return fmt.Errorf("received: %w", err)
		}
	}
}

func (c *Client) postBody(ctx context.Context, path string, data []byte, into any) error {
	resp, err := c.requestBody(ctx, http.MethodPost, path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}
