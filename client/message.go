package client

import "time"

// Message is what a source gave and a target carries. Nobody changes Data once
// the message has been handed over.
type Message struct {
	Seq    uint64    // position in the target's queue, from 1; 0 before it is queued
	ID     uint64    // what {id} becomes: the target's persistent counter, 0 where it is off
	Source string    // tag of the source: "uart", "timer", …
	Data   []byte    // as the source gave it: no prefix, no frame
	At     time.Time // when it was accepted, wall clock
	To     string    // one client of a server ("client-3", "192.0.2.9:1234"); "" for the target's own rule
}

// Held is how safe an accepted message is.
type Held uint8

// From the weakest to the strongest.
const (
	Memory Held = iota // lost with the process: UDP and server targets that have no queue
	Run                // in tmpfs: survives kill -9, not a power cut
	Disk               // on flash and synced: survives a power cut
)

func (h Held) String() string { return [...]string{"memory", "run", "disk"}[h] }

// Result is the one answer a target gives for one accepted message.
type Result struct {
	OK     bool
	Reason string // why it was not sent, for a person; "" if OK
}

// Received is what came from a server or, at a LAN server, from a client.
type Received struct {
	From   string // name of the connection or server
	Peer   string // which client of a server, "" for a connection
	Prefix string // "recv from tcp server: ", "" where switched off and for servers
	Data   []byte
	At     time.Time
}
