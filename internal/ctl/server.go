package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"luatnetd/internal/pcap"
	"luatnetd/internal/status"
)

// Command asks the loop for something. Verb is one of the constants below.
type Command struct {
	Verb string        `json:"verb"`
	Name string        `json:"name,omitempty"`
	For  time.Duration `json:"for,omitempty"`
}

// The verbs of a Command.
const (
	Use        = "use"
	Auto       = "auto"
	UplinkUp   = "uplink-up"
	UplinkDown = "uplink-down"
	LANUp      = "lan-up"
	LANDown    = "lan-down"
	Probe      = "probe"
	Renew      = "renew"
	Reload     = "reload"
	Plan       = "plan"
)

// Reply answers a Command: a sentence, and lines where there is a list.
type Reply struct {
	Text  string   `json:"text"`
	OK    bool     `json:"ok"`
	Lines []string `json:"lines,omitempty"`
	Round uint64   `json:"round,omitempty"` // of a Probe: number of the round that was asked for, 0 if nothing is probed
}

// Error is an answer that is not a result: what happened and what to do.
type Error struct {
	Status  int    `json:"-"`
	Message string `json:"error"`
	Hint    string `json:"hint,omitempty"`
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "\nhint: " + e.Hint
}

// Backend is what the server needs of the daemon. All fields are required.
type Backend struct {
	Status func() *status.Document
	Follow func(ctx context.Context, after uint64, emit func(status.Event) error) error
	Events func(after uint64) []status.Event
	Do     func(ctx context.Context, c Command) (Reply, error)
	// Capture captures until ctx or a bound ends it. It calls open, once, when it
	// is clear that it can: before that it returns an error.
	Capture func(ctx context.Context, t Tap, open func() (io.Writer, func() error)) (pcap.Summary, error)
	Clients
	Modems
}

// Server listens on a Unix socket.
type Server struct {
	Socket string // path
	Group  string // group that may connect besides root, "" for root only
	Log    *slog.Logger
	Backend

	captures atomic.Int32 // under way
}

// maxBody bounds what a client may send.
const maxBody = 64 << 10

// Listen makes the socket, mode 0660 and owned by the group. A socket left by
// a dead process is replaced; one that answers is somebody else's.
func (s *Server) Listen() (net.Listener, error) {
	if c, err := net.DialTimeout("unix", s.Socket, time.Second); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("control socket %s: another luatnetd answers there", s.Socket)
	}
	if err := os.MkdirAll(filepath.Dir(s.Socket), 0o755); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Remove(s.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := net.Listen("unix", s.Socket)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := s.own(); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

func (s *Server) own() error {
	if s.Group != "" {
		gid, err := LookupGroup(s.Group)
		if err != nil {
			return err
		}
		if err := os.Chown(s.Socket, -1, gid); err != nil {
			return fmt.Errorf("give the control socket to group %s (the daemon's user must belong to it): %w", s.Group, err)
		}
	}
	if err := os.Chmod(s.Socket, 0o660); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	l, err := s.Listen()
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       withPeer,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	// The listener removes the socket when it closes. Doing it again later could
	// hit the socket of the next daemon.
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.status(func(d *status.Document) any { return d }))
	mux.HandleFunc("GET /v1/uplinks", s.status(func(d *status.Document) any { return d.Uplinks }))
	mux.HandleFunc("GET /v1/leases", s.status(func(d *status.Document) any { return d.Leases() }))
	mux.HandleFunc("GET /v1/explain", s.status(func(d *status.Document) any { return d }))
	mux.HandleFunc("GET /v1/version", s.status(func(d *status.Document) any {
		return map[string]any{"api": d.API, "version": d.Version}
	}))
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("GET /v1/plan", s.do(func(*http.Request) (Command, error) { return Command{Verb: Plan}, nil }))
	mux.HandleFunc("POST /v1/use/{name}", s.do(useCommand))
	mux.HandleFunc("POST /v1/auto", s.do(verb(Auto)))
	mux.HandleFunc("POST /v1/uplink/{name}/up", s.do(verb(UplinkUp)))
	mux.HandleFunc("POST /v1/uplink/{name}/down", s.do(verb(UplinkDown)))
	mux.HandleFunc("POST /v1/uplink/{name}/renew", s.do(verb(Renew)))
	mux.HandleFunc("POST /v1/lan/{name}/up", s.do(verb(LANUp)))
	mux.HandleFunc("POST /v1/lan/{name}/down", s.do(verb(LANDown)))
	mux.HandleFunc("POST /v1/probe/{name}", s.do(verb(Probe)))
	mux.HandleFunc("POST /v1/reload", s.do(verb(Reload)))
	s.clientRoutes(mux)
	s.modemRoutes(mux)
	s.pcapRoutes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, &Error{Status: http.StatusNotFound, Message: "there is no " + r.Method + " " + r.URL.Path, Hint: "docs/api.md lists the requests"})
	})
	return s.guard(mux)
}

func verb(v string) func(*http.Request) (Command, error) {
	return func(r *http.Request) (Command, error) { return Command{Verb: v, Name: r.PathValue("name")}, nil }
}

func useCommand(r *http.Request) (Command, error) {
	c := Command{Verb: Use, Name: r.PathValue("name")}
	if s := r.URL.Query().Get("for"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			return c, &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("for=%s is not a duration", s), Hint: "write it like 10m or 2h"}
		}
		c.For = d
	}
	return c, nil
}

// guard refuses peers that the socket's mode should have kept out already.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := allowed(r.Context(), s.Group); err != nil {
			fail(w, &Error{Status: http.StatusForbidden, Message: err.Error(), Hint: "run it as root, or as a member of the group in [control]"})
			return
		}
		// Few requests need a body; a small one does no harm.
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			fail(w, &Error{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("the request's body: %v", err), Hint: fmt.Sprintf("send at most %d bytes", maxBody)})
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func (s *Server) status(pick func(*status.Document) any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		d := s.Status()
		if d == nil {
			fail(w, &Error{Status: http.StatusServiceUnavailable, Message: "the daemon has not finished its first turn", Hint: "try again in a second"})
			return
		}
		answer(w, pick(d))
	}
}

func (s *Server) do(parse func(*http.Request) (Command, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := parse(r)
		if err == nil {
			var reply Reply
			if reply, err = s.Do(r.Context(), c); err == nil {
				answer(w, reply)
				return
			}
		}
		fail(w, err)
	}
}

// events answers with one JSON document a line.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
	if err != nil {
		after = 0 // absent: from the oldest one kept
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	flush := http.NewResponseController(w)
	emit := func(e status.Event) error {
		if err := enc.Encode(e); err != nil {
			return err
		}
		return flush.Flush()
	}
	if r.URL.Query().Get("follow") != "" {
		_ = flush.Flush()                      // the client knows at once that it is served
		_ = s.Follow(r.Context(), after, emit) // ends when the client goes
		return
	}
	for _, e := range s.Events(after) {
		if emit(e) != nil {
			return
		}
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may have gone
}

func fail(w http.ResponseWriter, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Status: http.StatusInternalServerError, Message: err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(e)
}
