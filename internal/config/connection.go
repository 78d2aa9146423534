package config

import (
	"log/slog"
	"time"

	"luatnetd/client"
)

// Secret is a password or key. It shows itself nowhere: convert it to a string
// only where it is used.
type Secret string

const hidden = "***"

// String hides the secret; "" stays "".
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides it from %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue hides it from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides it from JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// What confirms a message.
const (
	ConfirmHanded = "handed" // the kernel took the datagram
	ConfirmTCP    = "tcp"    // the other end's TCP acknowledged every byte
	ConfirmReply  = "reply"  // the server answered
)

// Connection is one long connection.
type Connection struct {
	Name           string
	Label          string // the server's kind in "recv from LABEL server: "
	Kind           client.Kind
	Host           string
	Port           uint16 // 0: resolve only
	LocalPort      uint16 // 0: any
	Uplink         string // "" follows the active one
	Switch         string // "follow", "break_first" or "stay"
	IPv6           bool
	Confirmed      string
	ConnectTimeout time.Duration
	ConfirmTimeout time.Duration
	CloseTimeout   time.Duration
	Reconnect      time.Duration
	ReconnectMax   time.Duration // at least Reconnect
	Backoff        string        // "exponential" or "fixed"
	WindowBytes    int
	WindowMessages int
	PrefixSend     bool
	PrefixRecv     bool
	FrameSend      string // "none", "crlf" or "length"
	FrameRecv      string // "read", "delimiter", "length" or "idle"
	Delimiter      string // of FrameRecv "delimiter"
	Idle           time.Duration
	ID             bool
	FeedsWatchdog  bool
	Trace          int // bytes, 0 for none
	KeepAlive      KeepAlive
	TLS            TLS       // zero for tcp and udp
	Heartbeat      Heartbeat // Interval 0 for none
	Register       Register  // Data nil for none
	Reply          Reply     // zero unless Confirmed is ConfirmReply
	Queue          Queue
	Pos            Position
}

// KeepAlive is TCP's.
type KeepAlive struct {
	Enabled        bool
	Idle, Interval time.Duration
	Count          int
}

// TLS names files; whether they are there is known when the connection is made.
type TLS struct {
	CA, Cert, Key   string
	KeyPassword     Secret
	KeyPasswordFile string
	ServerName      string
	Pin             []string // SHA-256 of the server's public key, 64 hex digits each
	Insecure        bool
	MinVersion      string // "1.2" or "1.3"
	Suites          []string
	PSK             Secret // hex digits
	PSKIdentity     string
	Log             int // as sslLog, 0 to 4
}

// Heartbeat is sent after Interval without traffic.
type Heartbeat struct {
	Interval time.Duration
	Data     client.Template
	Expect   []byte // nil: no answer is expected
}

// Register is sent first, or before each message.
type Register struct {
	Data client.Template // empty for none
	When string          // "connect" or "message"
}

// Reply is what confirms a message where the server answers.
type Reply struct {
	Pattern client.ReplyPattern
	Timeout time.Duration
}

// Queue holds what was accepted and is not confirmed.
type Queue struct {
	Mode        string        // "run", "spill" or "disk"
	Sync        time.Duration // 0 syncs each
	MaxBytes    int64
	MaxMessages int
	MaxAge      time.Duration // 0 for no limit
	Full        string        // "oldest", "newest" or "refuse"
}
