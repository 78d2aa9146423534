package modemtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Command is a modem as a program: it serves one on ttys and pseudo terminals
// until ctx ends. "control SOCKET WORD…" talks to one that runs.
//
//	-personality quectel-qc -tty 2=/dev/ttyGS0 -pty 3=/run/modem/ttyUSB3
//	-control /run/modem/control -power /run/modem/power -on-data 'ip link …'
func Command(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 2 && args[0] == "control" {
		answer, err := Ask(ctx, args[1], strings.Join(args[2:], " "))
		if answer != "" {
			fmt.Fprintln(out, answer)
		}
		return err
	}
	r, err := parseRun(args, out)
	if err != nil {
		return err
	}
	return r.run(ctx)
}

// run is one modem with what surrounds it.
type run struct {
	pers    Personality
	opt     Options
	ttys    map[int]string
	ptys    map[int]string
	control string
	power   string
	dhcp    string
	onData, onVanished,
	onReturned, ppp string
	faults []string
	out    io.Writer
	m      *Modem
}

func parseRun(args []string, out io.Writer) (*run, error) {
	r := &run{ttys: map[int]string{}, ptys: map[int]string{}, out: out}
	var card SIM
	var id, pin, puk string
	fs := flag.NewFlagSet("modem", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.StringVar(&id, "personality", "quectel-qc", "module family")
	fs.StringVar(&r.opt.Mode, "mode", "", "USB composition to start with")
	fs.Func("tty", "INTERFACE=PATH of a tty to serve, /dev/ttyGS0", portFlag(r.ttys))
	fs.Func("pty", "INTERFACE=PATH of a link to a pseudo terminal", portFlag(r.ptys))
	fs.StringVar(&r.control, "control", "", "Unix socket for control lines")
	fs.StringVar(&r.power, "power", "", "file that is the power rail: 1 or 0")
	fs.StringVar(&r.dhcp, "dhcp", "", "device to answer DHCP on")
	fs.StringVar(&r.onData, "on-data", "", "shell command when the data plane changes (UP, FORWARDS, CARRIER, ADDR4, ADDR6, LEASE, GATEWAY, DNS, MTU, DHCP)")
	fs.StringVar(&r.onVanished, "on-vanished", "", "shell command when it leaves the bus")
	fs.StringVar(&r.onReturned, "on-returned", "", "shell command when it is back (VID, PID)")
	fs.StringVar(&r.ppp, "ppp", "", "shell command that is the PPP peer on its input and output (ADDR4, DNS, FAULT, USER_NAME, USER_PASSWORD)")
	fs.StringVar(&r.opt.IMEI, "imei", "", "IMEI")
	fs.StringVar(&card.ICCID, "iccid", "89860000000000000017", "ICCID")
	fs.StringVar(&card.IMSI, "imsi", "460000000000017", "IMSI")
	fs.StringVar(&pin, "pin", "", "PIN of the card")
	fs.StringVar(&puk, "puk", "12345678", "PUK of the card")
	fs.DurationVar(&r.opt.Pace.Boot, "boot", 0, "time to boot")
	fs.DurationVar(&r.opt.Pace.Register, "register", 0, "time to register")
	fs.DurationVar(&r.opt.Pace.SIM, "sim", 0, "time until the card answers")
	fs.Uint64Var(&r.opt.Seed, "seed", 1, "seed of what is random")
	fs.Func("fault", "NAME,ARG,… switched on from the start", func(s string) error { r.faults = append(r.faults, s); return nil })
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if pin != "" {
		card = card.Lock(pin, puk)
	}
	r.opt.SIM = &card
	var found bool
	if r.pers, found = ByID(id); !found {
		return nil, fmt.Errorf("no personality %q: %s", id, strings.Join(ids(), ", "))
	}
	return r, nil
}

func ids() []string {
	var out []string
	for _, p := range Personalities() {
		out = append(out, p.ID)
	}
	return out
}

func portFlag(to map[int]string) func(string) error {
	return func(s string) error {
		n, path, found := strings.Cut(s, "=")
		i, err := strconv.Atoi(n)
		if !found || err != nil || path == "" {
			return fmt.Errorf("%q is not INTERFACE=PATH", s)
		}
		to[i] = path
		return nil
	}
}

// run serves until ctx ends.
func (r *run) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(r.hooks(ctx))
	r.m = New(r.pers, r.opt)
	for _, f := range r.faults {
		words := strings.Split(f, ",")
		if err := r.m.Fault(words[0], words[1:]...); err != nil {
			return err
		}
	}
	if r.control != "" {
		_ = os.Remove(r.control)
		l, err := net.Listen("unix", r.control)
		if err != nil {
			return fmt.Errorf("modem control: %w", err)
		}
		wg.Go(func() { _ = r.m.ServeControl(ctx, l) })
	}
	if r.power != "" {
		wg.Go(func() { r.m.WatchPower(ctx, r.power) })
	}
	if r.dhcp != "" {
		wg.Go(func() { r.again(ctx, func() error { return r.m.ServeDHCP(ctx, r.dhcp) }) })
	}
	for port, path := range r.ttys {
		wg.Go(func() { r.again(ctx, func() error { return r.serveTTY(ctx, port, path) }) })
	}
	for port, path := range r.ptys {
		wg.Go(func() { r.again(ctx, func() error { return r.servePty(ctx, port, path) }) })
	}
	if r.opt.Data != nil {
		r.opt.Data(r.m.Data())
	}
	fmt.Fprintf(r.out, "modem %s is up\n", r.pers.ID)
	<-ctx.Done()
	return nil
}

// again calls f until ctx ends; a gadget's tty ends with every unplugging.
func (r *run) again(ctx context.Context, f func() error) {
	said := ""
	for ctx.Err() == nil {
		err := f()
		if err != nil && ctx.Err() == nil && !errors.Is(err, ErrVanished) && err.Error() != said {
			said = err.Error()
			fmt.Fprintf(r.out, "modem: %s\n", said)
		}
		r.m.clk.sleep(ctx, nil, 50*time.Millisecond)
	}
}
