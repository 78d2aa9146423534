package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// window is how many messages a connection may have under way: the default of
// window_messages.
const window = 256

// receipt is one line that a server has read.
type receipt struct {
	life   int   // which server process, from 1
	conn   int   // which of its connections
	at     int64 // Unix, ns
	peer   string
	id     uint64 // 0 for none
	number int
}

// readAccepted returns the numbers that a source was told to be accepted.
func readAccepted(path string) (list []int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		n, err := strconv.Atoi(s.Text())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, n)
	}
	return list, nil
}

// readReceipts returns what one life of a server has read. A line without an
// end was being written when the server was killed.
func readReceipts(path string, life int, ids bool) (list []receipt, err error) {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil // killed before it had opened it
	}
	if err != nil {
		return nil, err
	}
	if list, err = parseReceipts(string(text), life, ids); err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return list, err
}

func parseReceipts(text string, life int, ids bool) (list []receipt, err error) {
	lines := strings.Split(text, "\n")
	for _, line := range lines[:len(lines)-1] {
		r := receipt{life: life}
		field := strings.SplitN(line, " ", 4)
		if len(field) != 4 {
			return nil, fmt.Errorf("line %q", line)
		}
		r.peer = field[2]
		rest := field[3]
		if ids {
			var id string
			id, rest, _ = strings.Cut(rest, " ")
			if r.id, err = strconv.ParseUint(id, 10, 64); err != nil {
				return nil, fmt.Errorf("line %q: %w", line, err)
			}
		}
		if _, err := fmt.Sscanf(field[0]+" "+field[1]+" "+rest, "%d %d m %d", &r.at, &r.conn, &r.number); err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
		if rest != body(r.number) {
			return nil, fmt.Errorf("line %q is not what was sent", line)
		}
		list = append(list, r)
	}
	return list, nil
}

// verdict compares what was accepted with what was read.
type verdict struct {
	accepted, received int
	lost               int // accepted, never read
	unexplained        int // of these, not what a killed server had not read
	disordered         int // first receipts after that of a later message
	duplicates         int
	worst              int // duplicates in one session, at most
	filtered           int // messages left twice after dropping ids that were there, or ids of two messages
	sessions           int
	where              string // the unexplained ones are, for a person
}

// judge compares. unread is what the kernel held for each life of the server
// when it was about to be killed, in bytes.
func judge(accepted []int, got []receipt, unread map[int]int) verdict {
	v := verdict{accepted: len(accepted), received: len(got)}
	first := map[int]int{} // number → life
	ids, numbers := map[uint64]int{}, map[int]uint64{}
	session, again, highest := [2]int{}, map[[2]int]int{}, 0
	for _, r := range got {
		if s := [2]int{r.life, r.conn}; s != session {
			session = s
			if _, ok := again[s]; !ok {
				again[s] = 0
			}
		}
		if r.id != 0 {
			if n, ok := ids[r.id]; ok && n != r.number {
				v.filtered++
			}
			if id, ok := numbers[r.number]; ok && id != r.id {
				v.filtered++
			}
			ids[r.id], numbers[r.number] = r.number, r.id
		}
		if _, ok := first[r.number]; ok {
			v.duplicates++
			again[session]++
			v.worst = max(v.worst, again[session])
			continue
		}
		first[r.number] = r.life
		if r.number < highest {
			v.disordered++
		}
		highest = max(highest, r.number)
	}
	v.sessions = len(again)
	v.missing(accepted, first, unread)
	return v
}

// missing counts what was lost. The lost messages between two that arrived are
// explained if the server was killed in between and they fit into what its
// kernel held unread just before, and one window more for each kill: that much
// it may have read and not noted.
func (v *verdict) missing(accepted []int, first map[int]int, unread map[int]int) {
	var gap []int
	before := 1
	for _, n := range accepted {
		life, ok := first[n]
		if !ok {
			gap = append(gap, n)
			continue
		}
		held := 0
		for killed := before; killed < life; killed++ {
			held += unread[killed]
		}
		v.lost += len(gap)
		if n := max(0, beyond(gap, held)-window*max(0, life-before)); n > 0 {
			v.unexplained += n
			v.where += fmt.Sprintf("lost %d from %d on, server %d before and %d after, %d bytes unread; ", len(gap), gap[0], before, life, held)
		}
		gap, before = nil, life
	}
	v.lost, v.unexplained = v.lost+len(gap), v.unexplained+len(gap)
}

// beyond counts the messages that do not fit into so many bytes on the wire.
func beyond(list []int, held int) int {
	for i, n := range list {
		if held -= len(body(n)) + len("\r\n"); held < 0 {
			return len(list) - i
		}
	}
	return 0
}

// figures says it in numbers.
func (v verdict) figures(kind string, reply bool) []figure {
	name := "chaos-" + kind
	if v.where != "" {
		fmt.Fprintln(os.Stderr, name, v.where)
	}
	lost := count(name+"-lost", "messages", v.lost, v.accepted, "0 lost", v.lost == 0)
	if !reply {
		lost = count(name+"-lost", "messages", v.lost, v.accepted, "each lost one was acknowledged and unread when a server was killed", v.unexplained == 0)
	}
	list := []figure{
		lost,
		count(name+"-disordered", "messages", v.disordered, v.received, "first receipts in order", v.disordered == 0),
		count(name+"-duplicates", "a session, at most", v.worst, v.sessions, "duplicates ≤ window (256) a break", v.worst <= window),
	}
	if reply {
		list = append(list, count(name+"-after-id-filter", "messages", v.filtered, v.received, "0 duplicates after the id filter", v.filtered == 0))
	}
	return list
}
