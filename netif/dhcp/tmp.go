package dhcp

import (
	"context"
	"luatnetd/netif"
	"net/netip"
	"log/slog"
	"time"
)

type Config struct {
	Device   func() string
	Uplink, ClientID, Hostname string
	Mark uint32
	Now func() time.Time
	BootID string
	Log *slog.Logger
	Load func() ([]byte, error)
	Save func([]byte) error
}
type Link struct { Present, Carrier bool; Index int; MAC netif.MAC; MTU int; Name string; Addrs []netip.Prefix }
type Event struct { Lease *netif.Lease; Reason, State string; At time.Time; StateOnly bool }
type Client struct{}
func New(Config) *Client { return &Client{} }
func (*Client) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (*Client) Link(Link) {}
func (*Client) Events() <-chan Event { return nil }
func (*Client) Release(context.Context) {}
