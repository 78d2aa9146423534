package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"luatnetd/internal/status"
)

// Client speaks to the daemon's socket.
type Client struct {
	socket string
	http   http.Client
}

// ErrNotRunning and ErrDenied are the two ways in which there is no daemon to
// talk to.
var (
	ErrNotRunning = errors.New("luatnetd is not running")
	ErrDenied     = errors.New("this user may not control luatnetd")
)

// NewClient returns a client for the socket; it does not connect yet.
func NewClient(socket string) *Client {
	c := &Client{socket: socket}
	c.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}
	return c
}

// Status returns the status document.
func (c *Client) Status(ctx context.Context) (*status.Document, error) {
	var d status.Document
	return &d, c.get(ctx, "/v1/status", &d)
}

// Plan returns what an apply would change in the kernel now.
func (c *Client) Plan(ctx context.Context) (Reply, error) {
	var r Reply
	return r, c.get(ctx, "/v1/plan", &r)
}

// Use makes an uplink the preferred one, for d or (0) until Auto.
func (c *Client) Use(ctx context.Context, name string, d time.Duration) (Reply, error) {
	path := "/v1/use/" + url.PathEscape(name)
	if d > 0 {
		path += "?for=" + d.String()
	}
	return c.post(ctx, path)
}

// Post sends one of the commands without further arguments, such as
// "/v1/uplink/wan/down".
func (c *Client) Post(ctx context.Context, path ...string) (Reply, error) {
	p := "/v1"
	for _, s := range path {
		p += "/" + url.PathEscape(s)
	}
	return c.post(ctx, p)
}

// Events calls f with each kept event above after and, with follow, with each
// later one until ctx ends.
func (c *Client) Events(ctx context.Context, after uint64, follow bool, f func(status.Event)) error {
	path := "/v1/events?after=" + strconv.FormatUint(after, 10)
	if follow {
		path += "&follow=1"
	}
	resp, err := c.request(ctx, http.MethodGet, path)
	if err != nil && ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for dec := json.NewDecoder(resp.Body); ; {
		var e status.Event
		switch err := dec.Decode(&e); {
		case err == nil:
			f(e)
		case ctx.Err() != nil:
			return nil
		case follow && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
			return fmt.Errorf("%w any more: it ended", ErrNotRunning)
		case errors.Is(err, io.EOF):
			return nil
		default:
			return fmt.Errorf("event: %w", err)
		}
	}
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	resp, err := c.request(ctx, http.MethodGet, path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}

func (c *Client) post(ctx context.Context, path string) (Reply, error) {
	var r Reply
	resp, err := c.request(ctx, http.MethodPost, path)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	return r, json.NewDecoder(resp.Body).Decode(&r)
}

func (c *Client) request(ctx context.Context, method, path string) (*http.Response, error) {
	return c.requestBody(ctx, method, path, nil)
}

func (c *Client) requestBody(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://luatnetd"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w: nothing answers on %s", ErrNotRunning, c.socket)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: no permission for %s", ErrDenied, c.socket)
	case err != nil:
		return nil, err
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	e := Error{Status: resp.StatusCode}
	if json.Unmarshal(text, &e) != nil || e.Message == "" {
		e.Message = fmt.Sprintf("the daemon answered %s", resp.Status)
	}
	if resp.StatusCode == http.StatusForbidden {
		return nil, fmt.Errorf("%w: %s", ErrDenied, e.Message)
	}
	return nil, &e
}
