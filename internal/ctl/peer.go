package ctl

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

type peerKey struct{}

// withPeer notes who is at the other end of a connection (SO_PEERCRED).
func withPeer(ctx context.Context, c net.Conn) context.Context {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return ctx
	}
	var cred *unix.Ucred
	if err := raw.Control(func(fd uintptr) {
		cred, _ = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil || cred == nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, cred)
}

// allowed reports why the peer may not use the socket: it must be root, the
// daemon's own user, or in the group.
func allowed(ctx context.Context, group string) error {
	cred, ok := ctx.Value(peerKey{}).(*unix.Ucred)
	if !ok {
		return fmt.Errorf("the kernel did not say who is calling")
	}
	if cred.Uid == 0 || int(cred.Uid) == os.Getuid() {
		return nil
	}
	if group != "" {
		if gid, err := LookupGroup(group); err == nil && inGroup(cred, gid) {
			return nil
		}
	}
	return fmt.Errorf("user %d may not control luatnetd", cred.Uid)
}

// inGroup looks at the caller's primary group and, as the kernel does not pass
// them along, at its supplementary ones in /proc.
func inGroup(cred *unix.Ucred, gid int) bool {
	if int(cred.Gid) == gid {
		return true
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", cred.Pid))
	if err != nil {
		return false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		list, ok := strings.CutPrefix(s.Text(), "Groups:")
		if !ok {
			continue
		}
		for g := range strings.FieldsSeq(list) {
			if g == strconv.Itoa(gid) {
				return true
			}
		}
	}
	return false
}

func LookupGroup(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("[control] group %q does not exist on this machine", name)
	}
	return strconv.Atoi(g.Gid)
}
