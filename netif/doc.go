// Package netif holds the words of the project: LuatOS adapter names, hardware
// addresses, the state of the kernel's links, addresses, routes and rules as
// one Snapshot, and the Lease that a DHCP client, a modem or a static
// configuration hands over. It is pure: values and functions of values.
//
// # Time
//
// Every pure function of the project takes now as a time.Time that counts from
// boot (CLOCK_BOOTTIME): the zero point is time.Unix(0, 0). Such a value has no
// meaning as a date; only differences count. It is not affected by NTP or by a
// clock without battery. internal/host makes it; tests use Boot.
package netif
