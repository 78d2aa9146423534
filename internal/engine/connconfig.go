package engine

import (
	"crypto/tls"
	"path/filepath"

	"luatnetd/client"
	"luatnetd/client/queue"
	"luatnetd/client/sock"
	"luatnetd/internal/config"
	"luatnetd/internal/host"
)

// queueConfig says where a connection's queue is: a name may hold no slash.
func (e *Engine) queueConfig(c config.Connection, drop func(client.Message, string)) queue.Config {
	disk := e.cfg.Queue.DiskDir
	if disk == "" {
		disk = filepath.Join(e.stateDir, "queue")
	}
	run := e.cfg.Queue.RunDir
	if run == "" {
		run = filepath.Join(e.opt.RunDir, "queue")
	}
	return queue.Config{
		Run: filepath.Join(run, c.Name), Disk: filepath.Join(disk, c.Name), Mode: queue.Mode(c.Queue.Mode), Full: queue.Full(c.Queue.Full),
		Sync: c.Queue.Sync, MaxBytes: c.Queue.MaxBytes, MaxMessages: c.Queue.MaxMessages, MaxAge: c.Queue.MaxAge, IDs: c.ID,
		OnDrop: drop, Log: e.log,
	}
}

// sockConfig is the socket of a connection.
func (e *Engine) sockConfig(c config.Connection) sock.Config {
	s := sock.Config{
		Name: c.Name, Kind: c.Kind, Host: c.Host, Port: c.Port, LocalPort: c.LocalPort, IPv6: c.IPv6,
		KeepAlive: sock.KeepAlive{Off: !c.KeepAlive.Enabled, Idle: c.KeepAlive.Idle, Interval: c.KeepAlive.Interval, Count: c.KeepAlive.Count},
	}
	if c.Kind != client.TLS && c.Kind != client.DTLS {
		return s
	}
	t := c.TLS
	s.TLS = &sock.TLS{
		CA: t.CA, Cert: t.Cert, Key: t.Key, Password: string(t.KeyPassword), ServerName: t.ServerName, Pins: t.Pin, Insecure: t.Insecure,
		Suites: t.Suites, PSK: string(t.PSK), PSKIdentity: t.PSKIdentity,
		PasswordFile: t.KeyPasswordFile, Now: e.clients.wall, Trusted: e.clients.trusted, Log: e.log, LogLevel: t.Log,
	}
	if t.MinVersion == "1.3" {
		s.TLS.MinVersion = tls.VersionTLS13
	}
	return s
}

// policyOfConnection is how a connection behaves.
func policyOfConnection(c config.Connection) client.Policy {
	p := client.Policy{
		Confirmed: client.Confirmation(c.Confirmed), Datagrams: c.Kind == client.UDP || c.Kind == client.DTLS, Switch: client.SwitchMode(c.Switch),
		Connect: c.ConnectTimeout, Confirm: c.ConfirmTimeout, Close: c.CloseTimeout,
		Backoff:     client.Backoff{Base: c.Reconnect, Jitter: 0.2},
		WindowBytes: c.WindowBytes, WindowMessages: c.WindowMessages,
		Heartbeat: c.Heartbeat.Data, HeartbeatEvery: c.Heartbeat.Interval, HeartbeatExpect: c.Heartbeat.Expect, Register: c.Register.Data, RegisterEach: c.Register.When == "message",
		Reply: c.Reply.Pattern, ReplyWait: c.Reply.Timeout, Prefix: c.PrefixSend, Send: client.FrameSend(c.FrameSend),
		Recv: client.Cutter{How: client.FrameRecv(c.FrameRecv), Delimiter: []byte(c.Delimiter), Idle: c.Idle},
	}
	if c.Backoff != "fixed" {
		p.Backoff.Max = c.ReconnectMax
	}
	return p
}

// placeholders are what registrations and heartbeats may name.
func (e *Engine) placeholders() map[string]string {
	values := map[string]string{"sn": host.SerialNumber(), "ver": e.opt.Version}
	e.modemValues(values)
	return values
}
