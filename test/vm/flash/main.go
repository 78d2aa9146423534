package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"luatnetd/client"
	"luatnetd/client/queue"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 4 {
		return errors.New("usage: flash write|check|fill disk|spill RUN DISK [LOG|FILLER]")
	}
	cfg := config(args[1], args[2], args[3])
	switch rest := args[4:]; {
	case args[0] == "write" && len(rest) == 0:
		return write(cfg, os.Stdout)
	case args[0] == "check" && len(rest) == 1:
		return check(cfg, rest[0])
	case args[0] == "fill" && len(rest) == 1:
		return fill(cfg, rest[0])
	}
	return fmt.Errorf("%v: no such command, or not as many arguments", args)
}

// config is a queue of small segments, so that they come and go all the time.
func config(mode, run, disk string) queue.Config {
	cfg := queue.Config{Run: run, Disk: disk, Mode: queue.Mode(mode), SegmentSize: 16 << 10, MaxBytes: 1 << 30, MaxMessages: 1 << 30, SpillAfter: time.Millisecond}
	if cfg.Mode == queue.Spill {
		cfg.Sync = 100 * time.Millisecond
	}
	return cfg
}

// message n is always the same bytes, which do not compress: jffs2 and ubifs do.
func message(n uint64, size int) client.Message {
	b := make([]byte, 0, size+8)
	for r := rand.NewPCG(n, uint64(size)); len(b) < size; {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return client.Message{Source: "uart", Data: b[:size]}
}

// sizeOf message n: from nothing to a few hundred bytes, sometimes pages.
func sizeOf(n uint64) int {
	if n%31 == 0 {
		return 5000
	}
	return int(n * 37 % 400)
}
