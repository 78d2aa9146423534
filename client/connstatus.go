package client

import "time"

// ConnStatus is a connection for a person and for "ctl connections".
type ConnStatus struct {
	Name      string    `json:"name"`
	Kind      Kind      `json:"kind"`
	Remote    string    `json:"remote"` // host:port as configured
	Address   string    `json:"address,omitempty"`
	State     string    `json:"state"`
	Since     time.Time `json:"since"`
	Uplink    string    `json:"uplink,omitempty"`
	Confirmed string    `json:"confirmed"` // what makes a message confirmed

	Queued      int           `json:"queued"`       // messages without a result
	QueuedBytes int64         `json:"queued_bytes"` // their data
	Oldest      time.Duration `json:"oldest_ns"`    // age of the first of them

	Accepted      uint64 `json:"accepted"`
	Sent          uint64 `json:"sent"`
	Acknowledged  uint64 `json:"confirmed_messages"`
	Dropped       uint64 `json:"dropped"`
	Resent        uint64 `json:"resent"`
	SentBytes     uint64 `json:"sent_bytes"`
	ReceivedBytes uint64 `json:"received_bytes"`

	Connects  int    `json:"connects"`
	Failures  int    `json:"failures"`
	Breaks    int    `json:"breaks"`
	Panics    int    `json:"panics"`
	LastError string `json:"last_error,omitempty"`
	LastCode  Code   `json:"last_code,omitempty"` // LuatOS's number of it
	Insecure  bool   `json:"insecure,omitempty"`  // nobody checks who the server is
	TLS       string `json:"tls,omitempty"`
	Warning   string `json:"warning,omitempty"` // a certificate that ends soon
}
