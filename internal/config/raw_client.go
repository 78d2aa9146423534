package config

import "time"

// The raw types of long connections; see raw.go for the tags. A key with the
// tag secret is never repeated in a problem.

type rawConnection struct {
	At             *node              `toml:"-"`
	Name           val[string]        `toml:"name" need:"yes"`
	Kind           val[string]        `toml:"kind" one:"tcp udp tls dtls"`
	Host           val[string]        `toml:"host" need:"yes"`
	Port           val[int64]         `toml:"port" range:"0 65535" need:"yes"`
	LocalPort      val[int64]         `toml:"local_port" range:"0 65535"`
	Uplink         val[string]        `toml:"uplink"`
	Switch         val[string]        `toml:"switch" one:"follow break_first stay"`
	IPv6           val[bool]          `toml:"ipv6"`
	Confirmed      val[string]        `toml:"confirmed" one:"handed tcp reply"`
	ConnectTimeout val[time.Duration] `toml:"connect_timeout" range:"1s 10m"`
	ConfirmTimeout val[time.Duration] `toml:"confirm_timeout" range:"1s 10m"`
	CloseTimeout   val[time.Duration] `toml:"close_timeout" range:"100ms 1m"`
	Reconnect      val[time.Duration] `toml:"reconnect" range:"100ms 1h"`
	ReconnectMax   val[time.Duration] `toml:"reconnect_max" range:"100ms 24h"`
	Backoff        val[string]        `toml:"backoff" one:"exponential fixed"`
	WindowBytes    val[int64]         `toml:"window_bytes" range:"1024 16777216"`
	WindowMessages val[int64]         `toml:"window_messages" range:"1 65536"`
	PrefixSend     val[bool]          `toml:"prefix_send"`
	PrefixRecv     val[bool]          `toml:"prefix_recv"`
	Label          val[string]        `toml:"label"`
	FrameSend      val[string]        `toml:"frame_send" one:"none crlf length"`
	FrameRecv      val[string]        `toml:"frame_recv" one:"read delimiter length idle"`
	Delimiter      val[string]        `toml:"delimiter"`
	Idle           val[time.Duration] `toml:"idle" range:"1ms 1m"`
	ID             val[bool]          `toml:"id"`
	FeedsWatchdog  val[bool]          `toml:"feeds_watchdog"`
	Trace          val[int64]         `toml:"trace" range:"0 1048576"`
	KeepAlive      rawKeepAlive       `toml:"keepalive"`
	TLS            rawTLS             `toml:"tls"`
	Heartbeat      rawHeartbeat       `toml:"heartbeat"`
	Register       rawRegister        `toml:"register"`
	Reply          rawReply           `toml:"reply"`
	Queue          rawQueue           `toml:"queue"`
}

type rawKeepAlive struct {
	At       *node              `toml:"-"`
	Enabled  val[bool]          `toml:"enabled"`
	Idle     val[time.Duration] `toml:"idle" range:"1s 9h"`
	Interval val[time.Duration] `toml:"interval" range:"1s 9h"`
	Count    val[int64]         `toml:"count" range:"1 127"`
}

type rawTLS struct {
	At              *node       `toml:"-"`
	CA              val[string] `toml:"ca"`
	Cert            val[string] `toml:"cert"`
	Key             val[string] `toml:"key"`
	KeyPassword     val[string] `toml:"key_password" secret:"yes"`
	KeyPasswordFile val[string] `toml:"key_password_file"`
	ServerName      val[string] `toml:"server_name"`
	Pin             val[[]item] `toml:"pin"`
	Insecure        val[bool]   `toml:"insecure"`
	MinVersion      val[string] `toml:"min_version" one:"1.2 1.3"`
	Suites          val[[]item] `toml:"suites"`
	PSK             val[string] `toml:"psk" secret:"yes"`
	PSKIdentity     val[string] `toml:"psk_identity"`
	Log             val[int64]  `toml:"log" range:"0 4"`
}

type rawHeartbeat struct {
	At       *node              `toml:"-"`
	Interval val[time.Duration] `toml:"interval" range:"1s 24h"`
	Text     val[string]        `toml:"text"`
	Hex      val[string]        `toml:"hex"`
	Expect   val[string]        `toml:"expect"`
}

type rawRegister struct {
	At   *node       `toml:"-"`
	Text val[string] `toml:"text"`
	Hex  val[string] `toml:"hex"`
	When val[string] `toml:"when" one:"connect message"`
}

type rawReply struct {
	At      *node              `toml:"-"`
	Pattern val[string]        `toml:"pattern"`
	Timeout val[time.Duration] `toml:"timeout" range:"100ms 10m"`
}

type rawQueue struct {
	At          *node              `toml:"-"`
	Mode        val[string]        `toml:"mode" one:"run spill disk"`
	Sync        val[string]        `toml:"sync" one:"each 1s"`
	MaxBytes    val[int64]         `toml:"max_bytes" range:"65536 1099511627776"`
	MaxMessages val[int64]         `toml:"max_messages" range:"1 100000000"`
	MaxAge      val[time.Duration] `toml:"max_age" range:"1s 3650d" infinite:"yes"`
	Full        val[string]        `toml:"full" one:"oldest newest refuse"`
}

type rawSerial struct {
	At        *node              `toml:"-"`
	Name      val[string]        `toml:"name"`
	Device    val[string]        `toml:"device" need:"yes"`
	Baud      val[int64]         `toml:"baud" range:"50 4000000"`
	DataBits  val[int64]         `toml:"data_bits" range:"5 8"`
	Parity    val[string]        `toml:"parity" one:"none even odd mark space"`
	StopBits  val[int64]         `toml:"stop_bits" range:"1 2"`
	Flow      val[string]        `toml:"flow" one:"none rtscts xonxoff"`
	RS485     val[string]        `toml:"rs485" one:"off kernel rts gpio"`
	GPIO      val[string]        `toml:"gpio"`
	Framing   val[string]        `toml:"framing" one:"idle delimiter"`
	Idle      val[time.Duration] `toml:"idle" range:"1ms 1m"`
	Delimiter val[string]        `toml:"delimiter"`
	MaxFrame  val[int64]         `toml:"max_frame" range:"1 262144"`
	CRLF      val[bool]          `toml:"crlf"`
}

type rawTimer struct {
	At       *node              `toml:"-"`
	Name     val[string]        `toml:"name"`
	First    val[time.Duration] `toml:"first" range:"0s 24h"`
	Interval val[time.Duration] `toml:"interval" range:"100ms 365d"`
	Mode     val[string]        `toml:"mode" one:"after_result fixed"`
	Text     val[string]        `toml:"text"`
}

type rawReport struct {
	At       *node              `toml:"-"`
	Name     val[string]        `toml:"name"`
	Interval val[time.Duration] `toml:"interval" range:"1s 24h"`
	Text     val[string]        `toml:"text"`
}

type rawLocal struct {
	At    *node       `toml:"-"`
	Name  val[string] `toml:"name" need:"yes"`
	Path  val[string] `toml:"path" need:"yes"`
	Type  val[string] `toml:"type" one:"stream datagram"`
	Mode  val[string] `toml:"mode"`
	Group val[string] `toml:"group"`
}

type rawServer struct {
	At            *node              `toml:"-"`
	Name          val[string]        `toml:"name" need:"yes"`
	Kind          val[string]        `toml:"kind" one:"tcp tcp_multi udp"`
	LAN           val[string]        `toml:"lan" need:"yes"`
	Port          val[int64]         `toml:"port" range:"1 65535"`
	MaxClients    val[int64]         `toml:"max_clients" range:"1 1024"`
	Second        val[string]        `toml:"second" one:"refuse kick_old"`
	Greeting      val[bool]          `toml:"greeting"`
	BroadcastPort val[int64]         `toml:"broadcast_port" range:"1 65535"`
	Heartbeat     val[time.Duration] `toml:"heartbeat" range:"1s 24h"`
}

type rawOneShot struct {
	At             *node              `toml:"-"`
	Name           val[string]        `toml:"name" need:"yes"`
	Connection     val[string]        `toml:"connection" need:"yes"`
	Schedule       val[string]        `toml:"schedule"`
	Suspend        val[bool]          `toml:"suspend"`
	Text           val[string]        `toml:"text"`
	ConnectTimeout val[time.Duration] `toml:"connect_timeout" range:"1s 10m"`
	ReplyTimeout   val[time.Duration] `toml:"reply_timeout" range:"0s 10m"`
}

type rawRoute struct {
	At   *node       `toml:"-"`
	From val[[]item] `toml:"from"`
	To   val[[]item] `toml:"to"`
}

type rawWatchdog struct {
	At            *node              `toml:"-"`
	Enabled       val[bool]          `toml:"enabled"`
	Timeout       val[time.Duration] `toml:"timeout" range:"30s 24h"`
	Grace         val[time.Duration] `toml:"grace" range:"0s 10m"`
	Ladder        val[[]item]        `toml:"ladder" one:"reconnect probe bounce modem restart reboot"`
	MaxWait       val[time.Duration] `toml:"max_wait" range:"1s 24h"`
	RebootsPerDay val[int64]         `toml:"reboots_per_day" range:"0 100"`
	DryRun        val[bool]          `toml:"dry_run"`
	BlameNetwork  val[bool]          `toml:"blame_network"`
	Device        val[string]        `toml:"device"`
	Wait          rawWait            `toml:"wait"`
}

type rawWait struct {
	At        *node              `toml:"-"`
	Reconnect val[time.Duration] `toml:"reconnect" range:"1s 24h"`
	Probe     val[time.Duration] `toml:"probe" range:"1s 24h"`
	Bounce    val[time.Duration] `toml:"bounce" range:"1s 24h"`
	Modem     val[time.Duration] `toml:"modem" range:"1s 24h"`
	Restart   val[time.Duration] `toml:"restart" range:"1s 24h"`
	Reboot    val[time.Duration] `toml:"reboot" range:"1s 24h"`
}

type rawTime struct {
	At       *node              `toml:"-"`
	Enabled  val[bool]          `toml:"enabled"`
	Servers  val[[]item]        `toml:"servers"`
	Port     val[int64]         `toml:"port" range:"1 65535"`
	Timeout  val[time.Duration] `toml:"timeout" range:"100ms 1m"`
	Retry    val[time.Duration] `toml:"retry" range:"1s 24h"`
	Interval val[time.Duration] `toml:"interval" range:"1m 30d"`
	Uplink   val[string]        `toml:"uplink"`
}

type rawQueueDirs struct {
	At      *node       `toml:"-"`
	DiskDir val[string] `toml:"disk_dir"`
	RunDir  val[string] `toml:"run_dir"`
}
