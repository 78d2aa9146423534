package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
)

// prompt reads commands until quit, the end of the input or the end of ctx.
// Meanwhile a watch tells what the client feels; servers and the serial port
// tell by themselves what they get.
func (d *demo) prompt(ctx context.Context, in io.Reader) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	known, goesOn := gatewayWords(), "The client goes on sending; what it feels is shown."
	if d.uart == nil {
		d.peer.Go(func() { d.watch(ctx) })
	} else {
		known, goesOn = clientWords(names(d.servers)), "What the servers and the serial port get is shown."
	}
	d.say.text("\nNow it is your turn. " + goesOn + "\n" + known.help())
	lines := readLines(in)
	for {
		d.say.ask()
		var line string
		var more bool
		select {
		case <-ctx.Done():
		case line, more = <-lines:
		}
		if !more {
			d.say.hangUp()
			return
		}
		d.say.answered(line)
		c, err := known.parse(line)
		if err == nil && c.verb == "quit" {
			return
		}
		switch {
		case err == nil && c.verb == "help":
			d.say.text(known.help())
		case err == nil:
			err = d.obey(c)
		}
		if err != nil {
			d.say.text(err.Error())
		}
	}
}

// readLines hands over the lines of in; the channel (no capacity: who types
// waits) is closed at its end. Its goroutine ends with the program, since a
// read of a terminal cannot be ended otherwise.
func readLines(in io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		s := bufio.NewScanner(in)
		for s.Scan() {
			lines <- s.Text()
		}
	}()
	return lines
}

// obey does what a command says.
func (d *demo) obey(c command) error {
	switch c.verb {
	case "cut":
		return d.told("the cable of %s is out", c.args[0], d.isp(c.args[0]).Cut)
	case "restore":
		return d.told("the cable of %s is in", c.args[0], d.isp(c.args[0]).Restore)
	case "blackhole":
		return d.told("%s carries nothing any more", c.args[0], func() error { return d.isp(c.args[0]).Blackhole(true) })
	case "heal":
		return d.told("%s carries traffic", c.args[0], func() error { return d.isp(c.args[0]).Blackhole(false) })
	case "status":
		return d.ctl("status")
	case "ctl":
		return d.ctl(c.args...)
	case "modem":
		answer, err := d.modem.Control(c.text)
		d.say.text(answer)
		return err
	case "type":
		return d.uart.say(c.text)
	case "say":
		return d.server(c.args[0]).speak(c.text)
	case "kill":
		return d.told("the server of %s is dead", c.args[0], func() error { d.server(c.args[0]).kill(); return nil })
	case "start":
		return d.told("the server of %s answers", c.args[0], d.server(c.args[0]).start)
	}
	return nil
}

// told says what f is about to do, so that its effects are read below it.
func (d *demo) told(format, name string, f func() error) error {
	d.say.line("lab", format, name)
	return f()
}

// ctl runs luatnetd ctl in the gateway and shows what it prints.
func (d *demo) ctl(args ...string) error {
	out, code, err := d.Ctl(args...)
	d.say.text(strings.TrimRight(out, "\n"))
	if err == nil && code != 0 {
		d.say.text(fmt.Sprintf("(exit code %d)", code))
	}
	return err
}
