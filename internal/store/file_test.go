package store

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestWriteFileReplacesAndSkipsEqual(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if _, err := ReadFile(path, 10); !errors.Is(err, ErrMissing) {
		t.Fatalf("ReadFile of nothing: %v, want ErrMissing", err)
	}
	for _, tt := range []struct {
		data    string
		perm    os.FileMode
		changed bool
	}{
		{"one", 0o600, true}, {"one", 0o600, false}, {"two", 0o600, true}, {"two", 0o644, true}, {"", 0o644, true},
	} {
		before, _ := os.Stat(path)
		changed, err := WriteFile(path, []byte(tt.data), tt.perm)
		if err != nil || changed != tt.changed {
			t.Fatalf("WriteFile(%q, %v) = %v, %v, want %v", tt.data, tt.perm, changed, err, tt.changed)
		}
		after, err := os.Stat(path)
		if err != nil || after.Mode().Perm() != tt.perm {
			t.Fatalf("mode after %q: %v, %v, want %v", tt.data, after.Mode(), err, tt.perm)
		}
		if before != nil && os.SameFile(before, after) == changed {
			t.Errorf("WriteFile(%q): changed = %v does not match what happened to the file", tt.data, changed)
		}
		if got, err := ReadFile(path, 10); err != nil || string(got) != tt.data {
			t.Errorf("read back %q, %v, want %q", got, err, tt.data)
		}
	}
}

func TestFileLimits(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if _, err := WriteFile(path, make([]byte, MaxFile+1), 0o600); !errors.Is(err, ErrTooLarge) {
		t.Errorf("WriteFile over the limit: %v, want ErrTooLarge", err)
	}
	if _, err := WriteFile(path, make([]byte, 11), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path, 10); !errors.Is(err, ErrTooLarge) {
		t.Errorf("ReadFile over the limit: %v, want ErrTooLarge", err)
	}
	if _, err := ReadFile(path, 11); err != nil {
		t.Errorf("ReadFile at the limit: %v", err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(fifo, 10); err == nil || errors.Is(err, ErrMissing) {
		t.Errorf("ReadFile of a pipe: %v, want an error at once", err)
	}
}

func TestWriteFileFailureKeepsOld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if _, err := WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	// A directory in the temporary file's place makes the write fail for root too.
	if err := os.MkdirAll(filepath.Join(temporary(path), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteFile(path, []byte("new"), 0o600); err == nil {
		t.Fatal("WriteFile succeeded, want an error")
	}
	if got, err := ReadFile(path, 10); err != nil || string(got) != "old" {
		t.Errorf("after a failed write: %q, %v, want old", got, err)
	}
}

func TestWriteFileIgnoresLeftOver(t *testing.T) {
	dir := t.TempDir()
	path, victim := filepath.Join(dir, "f"), filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, temporary(path)); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteFile(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(victim); !bytes.Equal(got, []byte("mine")) {
		t.Errorf("the target of a link in the temporary file's place became %q", got)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(path); !errors.Is(err, ErrLocked) {
		t.Errorf("second Acquire: %v, want ErrLocked", err)
	}
	if err := a.Release(); err != nil {
		t.Fatal(err)
	}
	b, err := Acquire(path)
	if err != nil {
		t.Fatalf("Acquire after Release: %v", err)
	}
	defer b.Release()
}

// TestLockEndsWithProcess: a lock of a killed process is free at once.
func TestLockEndsWithProcess(t *testing.T) {
	if path := os.Getenv("STORE_TEST_LOCK"); path != "" {
		if _, err := Acquire(path); err != nil {
			os.Exit(1)
		}
		_, _ = os.Stdout.WriteString("held\n")
		time.Sleep(time.Minute) // killed long before
		os.Exit(0)
	}
	path := filepath.Join(t.TempDir(), "lock")
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockEndsWithProcess$")
	cmd.Env = append(os.Environ(), "STORE_TEST_LOCK="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(path); !errors.Is(err, ErrLocked) {
		t.Errorf("Acquire beside another process: %v, want ErrLocked", err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	l, err := Acquire(path)
	if err != nil {
		t.Fatalf("Acquire after kill -9: %v", err)
	}
	_ = l.Release()
}
