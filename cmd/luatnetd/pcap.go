package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"luatnetd/internal/ctl"
	"luatnetd/internal/pcap"
	"luatnetd/internal/status"
)

// pcapHelp is what both commands that capture have to say.
const pcapHelp = "The file is one that tcpdump and Wireshark read; it is made with mode 0600 and must not exist. " +
	"The capture ends at the first of its bounds, or when you interrupt it.\n\n" +
	"A capture holds what the packets hold: what is sent in the clear, passwords included, is in the file in the clear. TLS stays encrypted."

// captureFlags are what a capture is asked for with.
type captureFlags struct {
	file string
	host string
	tap  ctl.Tap
}

func (p *captureFlags) add(cmd *cobra.Command) {
	f, d := cmd.Flags(), pcap.Default
	f.StringVar(&p.file, "pcap", "", "capture packets into this file, or - for standard output")
	f.IntVar(&p.tap.Bytes, "bytes", d.Bytes, "end before the file is larger")
	f.IntVar(&p.tap.Packets, "packets", d.Packets, "end after so many packets")
	f.DurationVar(&p.tap.Time, "time", d.Time, "end after this time")
	f.IntVar(&p.tap.Snaplen, "snaplen", d.Snaplen, "bytes to keep of each packet")
}

func (f *ctlFlags) uplink() *cobra.Command {
	var p captureFlags
	cmd := f.updown("uplink", "Close an uplink, open it again, renew its lease, or capture its packets", (*status.Document).UplinkNames, "up", "down", "renew", "trace")
	cmd.Long = "Closes an uplink, opens it again, or renews its lease.\n\ntrace --pcap FILE captures what it carries, those of the LAN's devices, too; --host and --port narrow it. " + pcapHelp
	tell := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if (args[1] == "trace") != (p.file != "") {
			return usageError{errors.New("want: luatnetd ctl uplink NAME trace --pcap FILE|-")}
		}
		if args[1] != "trace" {
			return tell(cmd, args)
		}
		if p.host != "" {
			if p.tap.Host, err = netip.ParseAddr(p.host); err != nil {
				return usageError{fmt.Errorf("--host %s: want an address, such as 192.0.2.1", p.host)}
			}
		}
		p.tap.Uplink = args[0]
		return f.capture(cmd.Context(), &p)
	}
	p.add(cmd)
	cmd.Flags().StringVar(&p.host, "host", "", "only what goes to or comes from this address")
	cmd.Flags().Uint16Var(&p.tap.Port, "port", 0, "only what goes to or comes from this TCP or UDP port")
	return cmd
}

// capture writes the file. What became of it is said on standard output, or on
// standard error where the file goes there.
func (f *ctlFlags) capture(ctx context.Context, p *captureFlags) error {
	if err := p.tap.Check(); err != nil {
		return usageError{err}
	}
	say := os.Stdout
	if p.file == "-" {
		if say = os.Stderr; term.IsTerminal(int(os.Stdout.Fd())) {
			return usageError{errors.New("--pcap -: a terminal cannot show packets: redirect it, such as | tcpdump -r -")}
		}
	}
	ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM)
	defer stop()
	var file *os.File // nil for standard output
	sum, err := f.client().Capture(ctx, p.tap, func() (_ io.Writer, err error) {
		if p.file == "-" {
			return os.Stdout, nil
		}
		file, err = newCaptureFile(p.file)
		return file, err
	})
	if file != nil {
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return err
	}
	if f.json {
		return printJSONTo(say, sum)
	}
	fmt.Fprintln(say, sum.Text())
	return nil
}

// newCaptureFile makes a file that only its owner reads. One that is there
// already might be another's, or a link of somebody who hoped for this.
func newCaptureFile(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w\nhint: a capture overwrites nothing: remove it, or take another name", err)
	}
	return f, err
}
