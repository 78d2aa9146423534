package data

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// killWait is how long the end of a pppd that is not wanted any more may take;
// then it is killed.
const killWait = 7 * time.Second

// Clean ends the sessions of uplinks that keep does not name, and removes their
// files: of a modem that is in the configuration no more. The caller says which
// directory it gave as Env.Dir.
func Clean(ctx context.Context, dir string, keep func(uplink string) bool) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.ppp.*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		uplink, _, _ := strings.Cut(filepath.Base(name), ".ppp.")
		if keep(uplink) {
			continue
		}
		if strings.HasSuffix(name, ".session") {
			errs = append(errs, endSession(ctx, name))
		}
		errs = append(errs, ignoreMissing(os.Remove(name)))
	}
	return errors.Join(errs...)
}

// readSession reads what is known of a process; it need not be alive.
func readSession(path string) (*process, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &process{}
	if err := json.Unmarshal(b, s); err != nil || s.PID <= 1 {
		return nil, fmt.Errorf("session %s: it is damaged", path)
	}
	return s, nil
}

// endSession ends the pppd of a session file, if it is alive.
func endSession(ctx context.Context, path string) error {
	s, err := readSession(path)
	if err != nil || s.open("pppd") != nil {
		return ignoreMissing(os.Remove(path)) // a damaged note names nobody
	}
	defer s.release()
	s.signal(syscall.SIGTERM)
	_ = s.fd.SetReadDeadline(time.Now().Add(killWait))
	stop := context.AfterFunc(ctx, func() { _ = s.fd.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if s.wait() != nil {
		s.signal(syscall.SIGKILL)
		_ = s.fd.SetReadDeadline(time.Now().Add(killWait))
		if err := s.wait(); err != nil {
			return fmt.Errorf("end the pppd %d of an earlier session: %w", s.PID, err)
		}
	}
	_ = s.status() // reaped, if it was our child
	return ignoreMissing(os.Remove(path))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// writePrivate writes a file that nobody else may read. It lies in memory, so
// that it need not survive a power cut, but a kill at any instant.
func writePrivate(path, text string) error {
	tmp := path + ".new"
	_ = os.Remove(tmp) // whatever its mode was
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
