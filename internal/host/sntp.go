package host

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/beevik/ntp"
	"golang.org/x/sys/unix"

	"luatnetd/internal/bind"
)

// The clocks of LuatOS's sntp_app, and how far a failing client backs off: a
// thousand boxes without an answer must not ask every ten seconds for ever.
const (
	sntpRetryMax = 10 * time.Minute
	sntpJitter   = 0.2
)

// SNTPConfig is how time is asked for (socket.sntp, socket.sntp_port).
type SNTPConfig struct {
	Servers  []string      // names or addresses, asked in this order
	Port     uint16        // 123 where 0
	Timeout  time.Duration // for one server
	Try      time.Duration // for all of them together
	Retry    time.Duration // after a failure, growing to ten minutes
	Interval time.Duration // after an answer

	Resolve func(ctx context.Context, host string) ([]netip.Addr, error) // through the uplink of Bind
	Bind    func() (bind.Bind, bool)                                     // the uplink to ask through; false: none now
	Now     func() time.Time                                             // since boot
	Event   func(TimeEvent)                                              // from SNTP's goroutine
	Synced  func() bool                                                  // nil: KernelSynced
}

// TimeEvent is NTP_UPDATE, or NTP_ERROR with its reason.
type TimeEvent struct {
	Sample
	Err error
}

// Sample is the newest answer (socket.ntptm).
type Sample struct {
	Valid  bool          // vaild in LuatOS: there was an answer in this boot
	Server string        // who gave it
	At     time.Time     // since boot, when it came
	Time   time.Time     // UTC at At (tsec, tms)
	Delay  time.Duration // round trip (ndelay)
	Offset time.Duration // of the system clock then: add it to get UTC
}

// SNTP keeps its own time: it asks servers and remembers the difference to the
// time since boot. It never sets the system clock, and asks nobody while
// another service keeps that clock synchronised. Methods may be called from any
// goroutine.
type SNTP struct {
	cfg  SNTPConfig
	kick chan struct{} // capacity 1

	mu     sync.Mutex // guards what follows
	sample Sample
	err    error
	shun   map[string]time.Time // servers that sent a kiss of death, and until when
}

// NewSNTP returns a client that Run runs.
func NewSNTP(cfg SNTPConfig) *SNTP {
	if cfg.Port == 0 {
		cfg.Port = 123
	}
	if cfg.Synced == nil {
		cfg.Synced = KernelSynced
	}
	if cfg.Event == nil {
		cfg.Event = func(TimeEvent) {}
	}
	return &SNTP{cfg: cfg, kick: make(chan struct{}, 1), shun: map[string]time.Time{}}
}

// Kick asks for a try now: an uplink has come. It changes nothing while there
// is an answer.
func (s *SNTP) Kick() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Sample returns the newest answer and why the last try failed, nil if it did not.
func (s *SNTP) Sample() (Sample, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sample, s.err
}

// Time returns the wall-clock time, and whether it can be trusted: somebody
// keeps the system clock synchronised, or a server has answered in this boot.
func (s *SNTP) Time() (time.Time, bool) {
	if s.cfg.Synced() {
		return time.Now(), true
	}
	sample, _ := s.Sample()
	if !sample.Valid {
		return time.Now(), false
	}
	return sample.Time.Add(s.cfg.Now().Sub(sample.At)), true
}

// Run asks until ctx ends.
func (s *SNTP) Run(ctx context.Context) error {
	pause := s.cfg.Retry
	for {
		wait := s.cfg.Interval
		if !s.cfg.Synced() {
			if s.try(ctx) {
				pause = s.cfg.Retry
			} else {
				wait = jitter(pause)
				pause = min(2*pause, max(sntpRetryMax, s.cfg.Retry))
			}
		}
		if !s.sleep(ctx, wait) {
			return nil
		}
	}
}

// sleep waits until d has passed or a kick asks for a try; false: ctx ended.
func (s *SNTP) sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
			return true
		case <-s.kick:
			if now, _ := s.Sample(); !now.Valid {
				return true
			}
		}
	}
}

func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 + sntpJitter*(2*rand.Float64()-1)))
}

// try asks one server after the other until one answers.
func (s *SNTP) try(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Try)
	defer cancel()
	b, ok := s.cfg.Bind()
	if !ok { // no news: Kick comes with the uplink
		s.mu.Lock()
		s.err = errors.New("no usable uplink")
		s.mu.Unlock()
		return false
	}
	var errs []error
	for _, server := range s.cfg.Servers {
		if s.shunned(server) {
			errs = append(errs, fmt.Errorf("%s: asked us not to come back (kiss of death)", server))
			continue
		}
		sample, err := s.ask(ctx, b, server)
		if err == nil {
			s.mu.Lock()
			s.sample, s.err = sample, nil
			s.mu.Unlock()
			s.cfg.Event(TimeEvent{Sample: sample})
			return true
		}
		errs = append(errs, fmt.Errorf("%s: %w", server, err))
	}
	return s.failed(oneLine(errs))
}

// oneLine joins errors for an event, which is one line.
func oneLine(errs []error) error {
	var texts []string
	for _, err := range errs {
		texts = append(texts, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return errors.New(strings.Join(texts, "; "))
}

func (s *SNTP) failed(err error) bool {
	s.mu.Lock()
	s.err = err
	sample := s.sample
	s.mu.Unlock()
	s.cfg.Event(TimeEvent{Sample: sample, Err: err})
	return false
}

func (s *SNTP) shunned(server string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.Now().Before(s.shun[server])
}

// epoch is added to the time since boot while a server is asked: an NTP
// difference spans 68 years at most (RFC 5905 §6), and 1970 is too far away.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// ask asks one server. Its answer is measured against the time since boot, so
// that a step of the system clock meanwhile does no harm.
func (s *SNTP) ask(ctx context.Context, b bind.Bind, server string) (Sample, error) {
	addr, err := s.address(ctx, server)
	if err != nil {
		return Sample{}, err
	}
	since := func(t time.Time) time.Time { return epoch.Add(time.Duration(t.UnixNano())) }
	r, err := ntp.QueryWithOptions(netip.AddrPortFrom(addr, s.cfg.Port).String(), ntp.QueryOptions{
		Timeout:       s.cfg.Timeout,
		GetSystemTime: func() time.Time { return since(s.cfg.Now()) },
		Dialer: func(_, remote string) (net.Conn, error) {
			return b.Dialer(s.cfg.Timeout).DialContext(ctx, "udp", remote)
		},
	})
	if err != nil {
		return Sample{}, err
	}
	if err := r.Validate(); err != nil {
		if r.IsKissOfDeath() { // RFC 5905 §7.4: leave this server alone
			s.mu.Lock()
			s.shun[server] = s.cfg.Now().Add(s.cfg.Interval)
			s.mu.Unlock()
		}
		return Sample{}, err
	}
	at := s.cfg.Now()
	utc := since(at).Add(r.ClockOffset)
	return Sample{Valid: true, Server: server, At: at, Time: utc, Delay: r.RTT, Offset: time.Until(utc)}, nil
}

// address returns the address of a server, asked for through the uplink.
func (s *SNTP) address(ctx context.Context, server string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(server); err == nil {
		return a, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	list, err := s.cfg.Resolve(ctx, server)
	if err != nil {
		return netip.Addr{}, err
	}
	if len(list) == 0 {
		return netip.Addr{}, errors.New("the name has no address")
	}
	return list[0], nil
}

// KernelSynced reports whether a time service keeps the system clock
// synchronised (adjtimex(2), STA_UNSYNC).
func KernelSynced() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
}
