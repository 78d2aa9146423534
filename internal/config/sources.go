package config

import (
	"io/fs"
	"time"
)

// Serial is a serial port as a source and a sink.
type Serial struct {
	Name      string // tag
	Device    string // path
	Baud      int
	DataBits  int
	Parity    string
	StopBits  int
	Flow      string
	RS485     string // "off", "kernel", "rts" or "gpio"
	GPIO      string // RS485 "gpio" only
	Framing   string // "idle" or "delimiter"
	Idle      time.Duration
	Delimiter string
	MaxFrame  int // bytes
	CRLF      bool
	Pos       Position
}

// Timer is a source that counts.
type Timer struct {
	Name            string
	First, Interval time.Duration
	Mode            string // "after_result" or "fixed"
	Text            string // "" for the counter
	Pos             Position
}

// Report is a source of status JSON.
type Report struct {
	Name     string
	Interval time.Duration
	Text     string // seventh field
	Pos      Position
}

// Local is a Unix socket for programs of this machine.
type Local struct {
	Name, Path string
	Type       string // "stream" or "datagram"
	Mode       fs.FileMode
	Group      string
	Pos        Position
}

// Server waits for clients in a LAN.
type Server struct {
	Name          string
	Kind          string // "tcp", "tcp_multi" or "udp"
	LAN           string
	Port          uint16
	MaxClients    int
	Second        string // "refuse" or "kick_old"
	Greeting      bool
	BroadcastPort uint16
	Heartbeat     time.Duration
	Pos           Position
}

// OneShot is a short connection with the settings of a [[connection]].
type OneShot struct {
	Name, Connection string
	Every            time.Duration // 0: only when asked for
	Suspend          bool          // sleep until shortly before the next
	Text             string
	ConnectTimeout   time.Duration
	ReplyTimeout     time.Duration
	Pos              Position
}

// Route lets messages pass; an empty list means every name.
type Route struct {
	From, To []string
	Pos      Position
}

// Watchdog acts when no connection feeds it.
type Watchdog struct {
	Enabled       bool
	Timeout       time.Duration
	Grace         time.Duration
	Ladder        []Step
	MaxWait       time.Duration
	RebootsPerDay int
	DryRun        bool
	BlameNetwork  bool
	Device        string
	Pos           Position
}

// Step is one rung of the ladder and how long it is given to help.
type Step struct {
	Rung string
	Wait time.Duration
}

// Time is SNTP.
type Time struct {
	Enabled  bool
	Servers  []string
	Port     uint16
	Timeout  time.Duration
	Retry    time.Duration
	Interval time.Duration
	Uplink   string // "" follows the active one
}

// QueueDirs is where queues are kept.
type QueueDirs struct{ DiskDir, RunDir string }
