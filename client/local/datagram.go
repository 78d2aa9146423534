package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Datagram takes each datagram as one message. A sender that has an address
// of its own is answered as on the stream socket. It is made by NewDatagram.
type Datagram struct {
	cfg   Config
	count uint64
}

// NewDatagram returns a socket that does nothing before Run.
func NewDatagram(cfg Config) *Datagram { return &Datagram{cfg: cfg.withDefaults()} }

// Run serves until ctx ends.
func (d *Datagram) Run(ctx context.Context) error {
	conn, err := d.listen()
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(d.cfg.Path) }()
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	buf, oob := make([]byte, d.cfg.Limit+1), make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	for {
		n, oobn, flags, from, err := conn.ReadMsgUnix(buf, oob)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("socket %s: %w", d.cfg.Path, err)
		}
		if peer, err := credentials(oob[:oobn]); err != nil {
			d.cfg.Log.Warn("datagram refused", "err", err)
			continue
		} else if err := d.cfg.Allow(peer); err != nil {
			d.cfg.Log.Warn("datagram refused", "pid", peer.PID, "uid", peer.UID, "err", err)
			continue
		}
		d.reply(conn, from, d.take(buf[:n], flags))
	}
}

// take sends one datagram and returns the answer.
func (d *Datagram) take(b []byte, flags int) string {
	d.count++
	if len(b) > d.cfg.Limit || flags&unix.MSG_TRUNC != 0 {
		return answer(d.count, nil, fmt.Errorf("%w of %d bytes", errTooLong, d.cfg.Limit))
	}
	return d.cfg.offer(d.count, append([]byte(nil), b...))
}

// reply answers who can be answered. A reader that is gone or full is not
// waited for: its message is taken all the same.
func (d *Datagram) reply(conn *net.UnixConn, to *net.UnixAddr, text string) {
	if to == nil || to.Name == "" {
		return
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	err = raw.Control(func(fd uintptr) {
		sa := &unix.SockaddrUnix{Name: to.Name}
		if e := unix.Sendto(int(fd), []byte(text), unix.MSG_DONTWAIT, sa); e != nil {
			d.cfg.Log.Debug("answer not delivered", "to", to.Name, "err", e)
		}
	})
	if err != nil {
		d.cfg.Log.Debug("answer not delivered", "to", to.Name, "err", err)
	}
}

func (d *Datagram) listen() (conn *net.UnixConn, err error) {
	err = d.cfg.listenAt(func() error {
		conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: d.cfg.Path, Net: "unixgram"})
		if err != nil {
			return err
		}
		raw, err := conn.SyscallConn()
		if err != nil {
			return err
		}
		var inner error
		err = raw.Control(func(fd uintptr) {
			inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
		})
		return errors.Join(err, inner)
	})
	if err != nil && conn != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, err
}

// credentials reads who sent a datagram from its control data.
func credentials(oob []byte) (Peer, error) {
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return Peer{}, fmt.Errorf("who is calling: %w", err)
	}
	for _, m := range list {
		if cred, err := unix.ParseUnixCredentials(&m); err == nil {
			return Peer{PID: cred.Pid, UID: cred.Uid, GID: cred.Gid}, nil
		}
	}
	return Peer{}, errors.New("the kernel did not say who is calling")
}
