package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// source is a local program that sends numbered messages and notes which of
// them the daemon has said to have accepted.
type source struct {
	socket string
	file   *bufio.Writer
	every  time.Duration // between two messages
	number int
	due    time.Time
}

// roleSource: SOCKET FILE RATE. It ends on SIGTERM, after the last answer.
func roleSource(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("role-source: %d arguments", len(args))
	}
	rate, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	file, err := os.Create(args[1])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	s := &source{socket: args[0], file: bufio.NewWriter(file), every: time.Second / time.Duration(rate), due: time.Now()}
	for ctx.Err() == nil {
		if conn, err := net.Dial("unix", s.socket); err == nil {
			s.talk(ctx, conn.(*net.UnixConn))
		}
		time.Sleep(5 * time.Millisecond)
	}
	return s.file.Flush()
}

// talk sends until ctx or the daemon ends. What is not answered by then is
// noted nowhere: it may arrive, and need not.
func (s *source) talk(ctx context.Context, conn *net.UnixConn) {
	defer conn.Close()
	asked := make(chan int, 4096) // more than are ever unanswered, so that writing does not wait for reading
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.answers(conn, asked) })
	defer close(asked)
	for ctx.Err() == nil {
		time.Sleep(time.Until(s.due))
		if behind := time.Now().Add(-time.Second); s.due.Before(behind) {
			s.due = behind // what was not sent while no daemon ran is not made up for
		}
		s.due = s.due.Add(s.every)
		s.number++
		if _, err := conn.Write([]byte(body(s.number) + "\n")); err != nil {
			return
		}
		asked <- s.number
	}
	_ = conn.CloseWrite()
}

// answers notes what each message was told.
func (s *source) answers(conn net.Conn, asked <-chan int) {
	r := bufio.NewReader(conn)
	for number := range asked {
		line, err := r.ReadString('\n')
		if err != nil {
			_ = conn.Close()
			break
		}
		if strings.HasPrefix(line, "accepted ") {
			fmt.Fprintln(s.file, number)
		}
	}
	for range asked { // the writer must not wait
	}
}

// body is the message of a number.
func body(number int) string {
	return fmt.Sprintf("m %d %s", number, strings.Repeat(string(rune('a'+number%26)), 20+number%40))
}
