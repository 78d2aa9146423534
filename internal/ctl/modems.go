package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"luatnetd/internal/status"
	"luatnetd/modem"
)

// Modems is what the server needs of the modems. All fields are required. An
// empty uplink means the only modem there is.
type Modems struct {
	List   func() []status.Modem
	Ask    func(ctx context.Context, uplink string, r modem.Request) ([]string, error)
	Lease  func(ctx context.Context, uplink string, d time.Duration) (path string, err error)
	SMS    func(uplink string) ([]modem.SMS, error)
	Forget func(uplink, key string) error // delete an SMS; "" deletes all
	Export func(uplink string) (string, error)
}

// anyModem stands in a path for the only modem.
const anyModem = "-"

func (s *Server) modemRoutes(mux *http.ServeMux) {
	named := func(r *http.Request) string {
		if name := r.PathValue("name"); name != anyModem {
			return name
		}
		return ""
	}
	mux.HandleFunc("GET /v1/modems", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.List()) })
	mux.HandleFunc("POST /v1/modem/{name}/ask", func(w http.ResponseWriter, r *http.Request) {
		var q modem.Request
		if err := json.NewDecoder(io.LimitReader(r.Body, maxBody)).Decode(&q); err != nil {
			fail(w, &Error{Status: http.StatusBadRequest, Message: "request: " + err.Error()})
			return
		}
		lines, err := s.Ask(r.Context(), named(r), q)
		reply(w, Reply{OK: err == nil, Lines: lines}, err)
	})
	mux.HandleFunc("POST /v1/modem/{name}/lease", func(w http.ResponseWriter, r *http.Request) {
		d, err := time.ParseDuration(r.URL.Query().Get("for"))
		if err != nil || d <= 0 || d > time.Hour {
			fail(w, &Error{Status: http.StatusBadRequest, Message: "a lease lasts up to 1h, such as 60s"})
			return
		}
		path, err := s.Lease(r.Context(), named(r), d)
		reply(w, Reply{OK: err == nil, Text: path}, err)
	})
	mux.HandleFunc("GET /v1/modem/{name}/sms", func(w http.ResponseWriter, r *http.Request) {
		list, err := s.SMS(named(r))
		reply(w, list, err)
	})
	mux.HandleFunc("POST /v1/modem/{name}/sms/delete", func(w http.ResponseWriter, r *http.Request) {
		err := s.Forget(named(r), r.URL.Query().Get("key"))
		reply(w, Reply{OK: err == nil, Text: "deleted"}, err)
	})
	mux.HandleFunc("GET /v1/modem/{name}/export", func(w http.ResponseWriter, r *http.Request) {
		text, err := s.Export(named(r))
		reply(w, Reply{OK: err == nil, Text: text}, err)
	})
}

func modemPath(uplink, what string) string {
	if uplink == "" {
		uplink = anyModem
	}
	return "/v1/modem/" + url.PathEscape(uplink) + "/" + what
}

// Modems returns how every modem stands.
func (c *Client) Modems(ctx context.Context) ([]status.Modem, error) {
	var list []status.Modem
	return list, c.get(ctx, "/v1/modems", &list)
}

// AskModem hands a wish to a modem and waits for its answer.
func (c *Client) AskModem(ctx context.Context, uplink string, q modem.Request) (Reply, error) {
	b, err := json.Marshal(q)
	if err != nil {
		return Reply{}, err
	}
	var r Reply
	return r, c.postBody(ctx, modemPath(uplink, "ask"), b, &r)
}

// LeaseModem pauses the daemon on a port and returns a pty that leads to it.
func (c *Client) LeaseModem(ctx context.Context, uplink string, d time.Duration) (Reply, error) {
	return c.post(ctx, modemPath(uplink, "lease")+"?for="+url.QueryEscape(d.String()))
}

// ModemSMS lists the messages that came in.
func (c *Client) ModemSMS(ctx context.Context, uplink string) ([]modem.SMS, error) {
	var list []modem.SMS
	return list, c.get(ctx, modemPath(uplink, "sms"), &list)
}

// ForgetSMS deletes a message, or all for "".
func (c *Client) ForgetSMS(ctx context.Context, uplink, key string) (Reply, error) {
	return c.post(ctx, modemPath(uplink, "sms/delete")+"?key="+url.QueryEscape(key))
}

// ExportModem returns the status and the masked trace, to send to somebody.
func (c *Client) ExportModem(ctx context.Context, uplink string) (Reply, error) {
	var r Reply
	return r, c.get(ctx, modemPath(uplink, "export"), &r)
}

// NoModem is the answer to a wish for a modem that is not there.
func NoModem(uplink string, known []string) error {
	switch {
	case len(known) == 0:
		return &Error{Status: http.StatusNotFound, Message: "no modem is configured", Hint: "write an [[uplink]] with adapter = \"LWIP_GP\""}
	case uplink == "":
		return &Error{Status: http.StatusBadRequest, Message: "there are several modems", Hint: fmt.Sprintf("say which with --uplink: %v", known)}
	}
	return &Error{Status: http.StatusNotFound, Message: fmt.Sprintf("the uplink %q has no modem", uplink), Hint: fmt.Sprintf("known: %v", known)}
}
