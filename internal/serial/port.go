package serial

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrBusy says that another program has the port for itself.
var ErrBusy = errors.New("in use by another program")

// ErrGone says that the port was unplugged or hung up. Only opening it again helps.
var ErrGone = errors.New("serial port is gone")

// Port is an open serial port. It is made by Open.
type Port struct {
	file  *os.File // non-blocking, in Go's poller, so that deadlines work
	cfg   Config
	notes []string
	other []string // who has it open as well
}

// Open opens the port and sets the line. It does not wait for a carrier.
func Open(cfg Config) (*Port, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	fd, err := openFD(cfg.Path)
	if err != nil {
		return nil, err
	}
	p := &Port{cfg: cfg}
	if err := p.setUp(fd); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("serial port %s: %w", cfg.Path, err)
	}
	p.file = os.NewFile(uintptr(fd), cfg.Path)
	return p, nil
}

func openFD(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		switch {
		case err == nil:
			return fd, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EBUSY):
			return -1, busy(path)
		default:
			return -1, fmt.Errorf("open serial port %s: %w", path, err)
		}
	}
}

// setUp makes fd ours and sets the line.
func (p *Port) setUp(fd int) error {
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS2); err != nil {
		return fmt.Errorf("not a serial port: %w", err)
	}
	if err := p.claim(fd); err != nil {
		return err
	}
	if err := p.setLine(fd); err != nil {
		return err
	}
	if err := p.setDirection(fd); err != nil {
		return err
	}
	noClosingWait(fd)
	// What came before nobody listened is half a message at best.
	return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH)
}

// claim keeps others away. TIOCEXCL does not stop root, so the lock that
// minicom, picocom and ModemManager honour is taken, too.
func (p *Port) claim(fd int) error {
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return busy(p.cfg.Path)
	}
	p.other = Holders(p.cfg.Path)
	for _, h := range p.other {
		p.notes = append(p.notes, fmt.Sprintf("%s has the port open as well: each would get a part of the bytes", h))
	}
	if pseudo(fd) {
		return nil
	}
	if err := unix.IoctlSetInt(fd, unix.TIOCEXCL, 0); err != nil {
		return fmt.Errorf("claim: %w", err)
	}
	return nil
}

// pseudo reports whether fd is a pseudo terminal (Documentation/admin-guide/
// devices.txt: majors 136 to 143). There TIOCEXCL outlives the one who set it,
// as long as the master is open: nobody but root could open it again.
func pseudo(fd int) bool {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	major := unix.Major(uint64(st.Rdev))
	return err == nil && major >= 136 && major <= 143
}

// tolerance is how far the real rate may be off, in percent: over half a bit
// in the ten of a character is 5, and the other end may be off as well.
const tolerance = 3

// setLine sets the line and reads back what the driver made of it: tcsetattr
// calls it a success when anything was changed at all.
func (p *Port) setLine(fd int) error {
	want := p.cfg.termios()
	if err := unix.IoctlSetTermios(fd, unix.TCSETS2, &want); err != nil {
		return fmt.Errorf("set %s: %w", p.cfg, err)
	}
	got, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if err != nil {
		return fmt.Errorf("read line settings: %w", err)
	}
	off := int64(got.Ospeed) - int64(want.Ospeed)
	if max(off, -off)*100 > int64(want.Ospeed)*tolerance {
		if !p.cfg.AnyBaud {
			return fmt.Errorf("set %s: the port can do %d baud only", p.cfg, got.Ospeed)
		}
	}
	const format = unix.CSIZE | unix.PARENB | unix.PARODD | unix.CSTOPB | unix.CRTSCTS
	if got.Cflag&format != want.Cflag&format {
		p.notes = append(p.notes, fmt.Sprintf("the driver did not take all of %s, flow control %s", p.cfg, p.cfg.Flow))
	}
	return nil
}

// Notes are what a person should know about the open port: sentences.
func (p *Port) Notes() []string { return p.notes }

// Holders are the other processes that had the port open when it was opened:
// "minicom (pid 812)".
func (p *Port) Holders() []string { return p.other }

// Detach hands the open descriptor over, with its line settings and its lock.
// The port must not be used any more, not even closed.
func (p *Port) Detach() *os.File { return p.file }

// Read returns what has arrived, at least one byte. ErrGone is for ever.
func (p *Port) Read(b []byte) (int, error) {
	n, err := p.file.Read(b)
	return n, gone(err)
}

// Waiting is how many bytes have arrived and were not read.
func (p *Port) Waiting() int {
	n := 0
	_ = p.control(func(fd int) (err error) {
		n, err = unix.IoctlGetInt(fd, unix.TIOCINQ)
		return err
	})
	return n
}

// Write writes all of b, or says how much of it went. Flow control and a slow
// line make it wait until the write deadline.
func (p *Port) Write(b []byte) (int, error) {
	if p.cfg.RS485.Direction == ByRTS || p.cfg.RS485.Direction == ByLine {
		return p.writeSwitched(b)
	}
	n, err := p.file.Write(b)
	return n, gone(err)
}

// SetReadDeadline bounds Read; os.ErrDeadlineExceeded is what it returns then.
func (p *Port) SetReadDeadline(t time.Time) error { return p.file.SetReadDeadline(t) }

// SetWriteDeadline bounds Write in the same way.
func (p *Port) SetWriteDeadline(t time.Time) error { return p.file.SetWriteDeadline(t) }

// Close drops what was not yet sent: a port that flow control has stopped
// would keep the process for 30 s otherwise.
func (p *Port) Close() error {
	_ = p.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCOFLUSH) })
	return p.file.Close()
}

// control runs f on the descriptor. File.Fd would make it blocking.
func (p *Port) control(f func(fd int) error) error {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// gone tells the end of a port from other errors.
func gone(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, unix.EIO) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) {
		return ErrGone
	}
	return err
}
