package data

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"luatnetd/modem"
)

// Plane is one session of a modem's data.
type Plane interface {
	// Start brings data up. tty is for PPP: the port in data mode, from which
	// nobody reads any more; the caller closes it after Start. Others ignore it.
	// An error means that nothing was started. When ctx ends the session is let
	// go: it goes on without us and can be adopted, and Changes is closed
	// without a last word.
	Start(ctx context.Context, tty *os.File) error
	// Adopt takes over a session that was let go, by this process or an earlier
	// one, and was started with the same plan. It reports whether there is one;
	// ctx is as for Start.
	Adopt(ctx context.Context) bool
	// Stop ends the session and returns when it has ended, or with an error
	// when ctx ends before. The last change says DataAsked.
	Stop(ctx context.Context) error
	// Changes tells what becomes of it: Up with what the network gave, perhaps
	// more than once, then one that is not Up, with the cause; it is closed
	// after that. It must be received from, also while Stop is waited for.
	Changes() <-chan modem.DataChanged
}

// Env is what planes use of this machine.
type Env struct {
	Dir  string // of the files that outlive this process, mode 0700: "/run/luatnetd/modem"
	Name string // of the uplink: what the files are called

	// Write writes to sysfs (qmi/raw_ip); nil writes as this process.
	Write func(path string, data []byte) error
	// Link sets a netdev up or down; nil does it by ioctl.
	Link func(netdev string, up bool) error
	// Program finds a program; nil looks into PATH and the usual folders.
	Program func(name string) (string, error)
	// Sysfs is where sysfs is mounted; "" is "/sys".
	Sysfs string
}

// MissingError says that a plane's programs are not installed.
type MissingError struct {
	Kind     modem.DataKind
	Programs []string // one of them would do
}

func (e MissingError) Error() string {
	return fmt.Sprintf("%s needs %s, which is not installed", e.Kind, strings.Join(e.Programs, " or "))
}

// Cause is why a plane did not start, in the words of DataChanged: DataMissing
// for a MissingError, DataDeadline for a program that was killed, DataSystem
// for the rest.
func Cause(err error) modem.DataCause {
	var missing MissingError
	var refused refusedError
	switch {
	case err == nil:
		return modem.DataOK
	case errors.As(err, &missing):
		return modem.DataMissing
	case errors.As(err, &refused):
		return modem.DataConnect
	case errors.Is(err, context.DeadlineExceeded):
		return modem.DataDeadline
	}
	return modem.DataSystem
}

// New returns the plane of a plan. A [MissingError] tells that its programs are
// not there; nothing is started.
func New(plan modem.DataPlan, env Env) (Plane, error) {
	if err := env.check(); err != nil {
		return nil, err
	}
	switch plan.Kind {
	case modem.DataNetdev:
		return newNetdev(plan, env), nil
	case modem.DataPPP:
		program, err := env.find(modem.DataPPP, "pppd")
		if err != nil {
			return nil, err
		}
		return newPPP(plan, env, program), nil
	case modem.DataQMI:
		return newDialled(plan, env, uqmi{}, qmicli{})
	case modem.DataMBIM:
		return newDialled(plan, env, umbim{}, mbimcli{})
	}
	return nil, fmt.Errorf("data plane %q: expected netdev, ppp, qmi or mbim", plan.Kind)
}

func (e *Env) check() error {
	if e.Name == "" || strings.ContainsAny(e.Name, "/\x00") || strings.HasPrefix(e.Name, ".") {
		return fmt.Errorf("data plane: %q cannot be the name of a file", e.Name)
	}
	if e.Sysfs == "" {
		e.Sysfs = "/sys"
	}
	if e.Write == nil {
		e.Write = func(path string, data []byte) error { return os.WriteFile(path, data, 0) }
	}
	if e.Link == nil {
		e.Link = setLink
	}
	if e.Program == nil {
		e.Program = lookPath
	}
	return nil
}

// find returns the first of these programs that is installed.
func (e Env) find(kind modem.DataKind, names ...string) (string, error) {
	for _, n := range names {
		if path, err := e.Program(n); err == nil {
			return path, nil
		}
	}
	return "", MissingError{kind, names}
}

// lookPath finds a program of an administrator also where PATH is short.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin"} {
		if err == nil {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, name))
	}
	return path, err
}
