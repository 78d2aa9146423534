package serve

import (
	"context"
	"luatnetd/netif"
	"net/netip"
	"log/slog"
	"time"
)
type Host struct { Name string; MACs []netif.MAC; Address netip.Addr; Lease time.Duration }
type Option struct { Code uint8; Value []byte }
type Config struct { LAN, Device string; Address netip.Prefix; PoolStart, PoolEnd netip.Addr; Lease time.Duration; Hosts []Host; DNS []netip.Addr; Domain string; Options []Option; Now func() time.Time; BootID, StateFile string; Log *slog.Logger }
type LeaseInfo struct { MAC netif.MAC; Addr netip.Addr; Hostname, State string; Static bool; ExpiresIn time.Duration }
type Event struct { Kind, Hostname string; Addr netip.Addr; MAC netif.MAC }
type Server struct{}
func New(Config) *Server { return &Server{} }
func (*Server) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (*Server) Update(Config) {}
func (*Server) Leases() []LeaseInfo { return nil }
func (*Server) Events() <-chan Event { return nil }
