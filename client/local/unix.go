package local

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Config is one Unix socket. Path, Name, Send and Now are required.
type Config struct {
	Path string      // its directory exists
	Mode fs.FileMode // 0660: the kernel lets only the owner and the group connect
	GID  int         // group of the socket; 0 leaves it as it is made
	// Allow, if not nil, decides about each peer that the mode lets in. An
	// error is told to the log.
	Allow func(Peer) error
	Name  string // tag of its messages
	Limit int    // bytes of a message: 64 KiB
	Send  Send
	Now   func() time.Time
	Log   *slog.Logger // nil for none
}

// Peer is a program, as the kernel names it (SO_PEERCRED, SCM_CREDENTIALS).
type Peer struct {
	PID      int32
	UID, GID uint32
}

const (
	defaultMode  = 0o660
	defaultLimit = 64 << 10
)

func (c Config) withDefaults() Config {
	if c.Mode == 0 {
		c.Mode = defaultMode
	}
	if c.Limit <= 0 {
		c.Limit = defaultLimit
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Log = c.Log.With("source", c.Name)
	if c.Allow == nil {
		c.Allow = func(Peer) error { return nil }
	}
	return c
}

// listenAt replaces a socket that a dead process left and gives the new one
// its owner and mode. What is there and is no socket stays. Until then the
// umask keeps strangers out: to connect needs write permission. (Made under
// another name and moved, a datagram socket would answer from that name.)
func (c Config) listenAt(listen func() error) error {
	switch info, err := os.Lstat(c.Path); {
	case err == nil && info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("socket %s: something else is there: remove it or choose another path", c.Path)
	case err == nil:
		if err := os.Remove(c.Path); err != nil {
			return fmt.Errorf("replace socket: %w", err)
		}
	}
	if err := listen(); err != nil {
		return fmt.Errorf("socket %s: %w", c.Path, err)
	}
	if c.GID != 0 {
		if err := os.Lchown(c.Path, -1, c.GID); err != nil {
			return fmt.Errorf("give socket to group %d: %w", c.GID, err)
		}
	}
	if err := os.Chmod(c.Path, c.Mode); err != nil {
		return fmt.Errorf("protect socket: %w", err)
	}
	return nil
}

// peerOf asks who is at the other end of a stream.
func peerOf(c *net.UnixConn) (Peer, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *unix.Ucred
	var inner error
	if err := raw.Control(func(fd uintptr) {
		cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return Peer{}, err
	}
	if inner != nil {
		return Peer{}, fmt.Errorf("who is calling: %w", inner)
	}
	return Peer{PID: cred.Pid, UID: cred.Uid, GID: cred.Gid}, nil
}
