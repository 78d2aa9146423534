// Package pcap is what a capture of packets is made of: the file that tcpdump
// and Wireshark read, the filter that lets one connection's packets pass and
// nothing else, and the bounds that every capture has. It opens nothing:
// internal/rawsock has the sockets, internal/capture reads them.
package pcap
