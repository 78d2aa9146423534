package engine

import (
	"testing"
	"time"

	"luatnetd/client"
	"luatnetd/internal/config"
)

// What a file says of a connection reaches the machine: nothing is left at the
// zero value that means something else there.
func TestPolicyOfConnection(t *testing.T) {
	c, problems := config.Parse("t.toml", []byte(`
version = 1
[[connection]]
name = "c"
host = "10.0.0.1"
port = 1
id = true
confirmed = "reply"
switch = "break_first"
reconnect = "7s"
backoff = "fixed"
window_messages = 9
frame_send = "crlf"
frame_recv = "delimiter"
[connection.reply]
pattern = "ack {id}"
timeout = "4s"
[connection.register]
text = "{id} {ver} "
when = "message"
[connection.heartbeat]
text = "ping"
interval = "40s"
expect = "pong"
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	p := policyOfConnection(c.Connections[0])
	for name, ok := range map[string]bool{
		"datagrams":   !p.Datagrams && policyOfConnection(config.Connection{Kind: client.UDP}).Datagrams,
		"confirmed":   p.Confirmed == client.ByReply,
		"switch":      p.Switch == client.BreakFirst,
		"fixed pause": p.Backoff.Base == 7*time.Second && p.Backoff.Max == 0,
		"times":       p.Connect == 30*time.Second && p.Confirm == 15*time.Second && p.Close == 5*time.Second,
		"window":      p.WindowMessages == 9 && p.WindowBytes == 64<<10,
		"reply":       !p.Reply.Single() && p.ReplyWait == 4*time.Second,
		"register":    p.RegisterEach && string(p.Register.Fill(map[string]string{"ver": "1"}, 5)) == "5 1 ",
		"heartbeat":   p.HeartbeatEvery == 40*time.Second && string(p.Heartbeat.Fill(nil, 0)) == "ping" && string(p.HeartbeatExpect) == "pong",
		"frames":      p.Send == client.SendCRLF && p.Recv.How == client.RecvDelimiter && string(p.Recv.Delimiter) == "\r\n",
		"prefix":      p.Prefix,
	} {
		if !ok {
			t.Errorf("%s did not arrive: %+v", name, p)
		}
	}
}
