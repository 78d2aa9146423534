package ctl

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func peer(cred *unix.Ucred) context.Context {
	return context.WithValue(context.Background(), peerKey{}, cred)
}

// ownGroup is a group of this machine that has a name, with its number.
func ownGroup(t *testing.T) (string, int) {
	t.Helper()
	g, err := user.LookupGroupId(strconv.Itoa(os.Getgid()))
	if err != nil {
		t.Fatalf("the test's own group has no name: %v", err)
	}
	return g.Name, os.Getgid()
}

func TestAllowed(t *testing.T) {
	group, gid := ownGroup(t)
	me, stranger := uint32(os.Getuid()), uint32(os.Getuid()+12345)
	for _, tc := range []struct {
		name  string
		cred  *unix.Ucred
		group string
		want  bool
	}{
		{"root", &unix.Ucred{Uid: 0, Gid: 0}, "", true},
		{"the daemon's own user", &unix.Ucred{Uid: me, Gid: 99999}, "", true},
		{"a stranger", &unix.Ucred{Uid: stranger, Gid: 99999}, "", false},
		{"a stranger in root's group", &unix.Ucred{Uid: stranger, Gid: 0}, "", false},
		{"by the primary group", &unix.Ucred{Uid: stranger, Gid: uint32(gid)}, group, true},
		{"by another primary group", &unix.Ucred{Uid: stranger, Gid: 99999}, group, false},
		{"by a group that does not exist", &unix.Ucred{Uid: stranger, Gid: uint32(gid)}, "no-such-group", false},
		{"by the groups of a process that has gone", &unix.Ucred{Pid: 1 << 30, Uid: stranger, Gid: 99999}, group, false},
	} {
		err := allowed(peer(tc.cred), tc.group)
		if (err == nil) != tc.want {
			t.Errorf("%s: allowed = %v, want allowed %v", tc.name, err, tc.want)
		}
		if err != nil && !strings.Contains(err.Error(), strconv.Itoa(int(tc.cred.Uid))) {
			t.Errorf("%s: %q does not name the user", tc.name, err)
		}
	}
	if err := allowed(context.Background(), group); err == nil {
		t.Error("a connection without credentials is allowed")
	}
}

// Supplementary groups are those of the calling process, read in /proc.
func TestAllowedBySupplementaryGroup(t *testing.T) {
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	self := &unix.Ucred{Pid: int32(os.Getpid()), Uid: 54321, Gid: 99999}
	for _, gid := range groups {
		if !inGroup(self, gid) {
			t.Errorf("inGroup(%d) = false, but this process is in it", gid)
		}
	}
	if inGroup(self, 99998) {
		t.Error("inGroup(99998) = true, but this process is not in it")
	}
}

func TestLookupGroup(t *testing.T) {
	name, gid := ownGroup(t)
	if got, err := LookupGroup(name); err != nil || got != gid {
		t.Errorf("LookupGroup(%s) = %d, %v, want %d", name, got, err, gid)
	}
	_, err := LookupGroup("no-such-group")
	if want := `[control] group "no-such-group" does not exist on this machine`; err == nil || err.Error() != want {
		t.Errorf("LookupGroup = %v, want %q", err, want)
	}
}

// The kernel tells the server who calls; the connection says it in its context.
func TestWithPeer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cred, ok := withPeer(context.Background(), s).Value(peerKey{}).(*unix.Ucred)
	if !ok || int(cred.Uid) != os.Getuid() || int(cred.Pid) != os.Getpid() || int(cred.Gid) != os.Getgid() {
		t.Errorf("peer = %+v, want this process", cred)
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if got := withPeer(context.Background(), a).Value(peerKey{}); got != nil {
		t.Errorf("peer of a pipe = %v, want none", got)
	}
}

// A peer that may not is answered by 403, and the client knows it as ErrDenied.
func TestDeniedPeer(t *testing.T) {
	s := &Server{Log: slog.New(slog.DiscardHandler), Backend: Backend{Do: func(context.Context, Command) (Reply, error) {
		t.Error("the loop was asked by a stranger")
		return Reply{}, nil
	}}}
	handler := s.handler()
	stranger := peer(&unix.Ucred{Uid: uint32(os.Getuid() + 12345), Gid: 99999})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(stranger, http.MethodPost, "/v1/reload", nil))
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "may not control luatnetd") {
		t.Errorf("a stranger got %d %s, want 403", w.Code, w.Body)
	}
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(stranger))
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	defer func() { _ = srv.Close(); <-done }()
	if _, err := NewClient(path).Post(context.Background(), "reload"); !errors.Is(err, ErrDenied) || errors.Is(err, ErrNotRunning) {
		t.Errorf("Post of a stranger = %v, want %v", err, ErrDenied)
	}
}

func TestListenSetsModeAndGroup(t *testing.T) {
	group, gid := ownGroup(t)
	s := &Server{Socket: filepath.Join(t.TempDir(), "deep", "er", "s"), Group: group}
	l, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var st unix.Stat_t
	if err := unix.Stat(s.Socket, &st); err != nil {
		t.Fatal(err)
	}
	if st.Mode&0o7777 != 0o660 || int(st.Gid) != gid {
		t.Errorf("the socket has mode %o and group %d, want 660 and %d", st.Mode&0o7777, st.Gid, gid)
	}
}

func TestListenRefusesAGroupThatDoesNotExist(t *testing.T) {
	s := &Server{Socket: filepath.Join(t.TempDir(), "s"), Group: "no-such-group", Log: slog.New(slog.DiscardHandler)}
	err := s.Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), `"no-such-group" does not exist`) {
		t.Errorf("Run = %v, want the sentence about the group", err)
	}
	if _, err := os.Stat(s.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket was left behind: %v", err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false) // as kill -9 leaves it
	_ = dead.Close()
	l, err := (&Server{Socket: path}).Listen()
	if err != nil {
		t.Fatalf("a dead daemon's socket is in the way: %v", err)
	}
	_ = l.Close()
}

func TestSecondDaemonIsRefused(t *testing.T) {
	d := serve(t)
	err := d.server().Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), "another luatnetd answers there") {
		t.Errorf("Run of a second daemon = %v, want its refusal", err)
	}
	if _, err := d.c.Status(context.Background()); err != nil {
		t.Errorf("the first daemon does not answer any more: %v", err)
	}
}

// The socket goes with the daemon; one that the next daemon has made since
// stays.
func TestEndTakesOnlyItsOwnSocket(t *testing.T) {
	d := serve(t)
	d.end()
	if _, err := d.c.Status(context.Background()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Status after the end = %v, want %v", err, ErrNotRunning)
	}
	if _, err := os.Stat(d.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket was left behind: %v", err)
	}
	d.run(d.server())
	if _, err := d.c.Status(context.Background()); err != nil {
		t.Errorf("the next daemon does not answer: %v", err)
	}
}

// A file of somebody else in the way of the socket's directory is an error with its path.
func TestListenNeedsItsDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := (&Server{Socket: filepath.Join(file, "s")}).Listen()
	if err == nil {
		_ = l.(io.Closer).Close()
	}
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("Listen below a file = %v, want an error with its path", err)
	}
}
