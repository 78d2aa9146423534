// Package rawsock owns packet sockets (AF_PACKET): one socket on one device,
// with the filter that keeps everything else in the kernel, and the few frames
// that the DHCP rooms need beside UDP: ARP probes and announcements.
//
// The sockets are "cooked" (SOCK_DGRAM): payloads, buffers and filters begin at
// the network header, and the kernel writes and strips the link header. So the
// same code serves Ethernet and devices without link addresses (wwan in raw IP
// mode, tun). It decides nothing: no retries, no timers, no knowledge of DHCP
// beyond the two port numbers.
//
// A Conn may be used by several goroutines at once. Recv blocks until a packet,
// its deadline or Close. Close waits for an RCU grace period (16 ms median,
// measured on 6.18), so nobody should open a socket per packet.
package rawsock
