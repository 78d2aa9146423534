// Package capture fills a capture file with the packets of one connection, on
// whatever device it is, or with those of one uplink. It opens a packet socket
// only while somebody reads the file, and leaves nothing behind. What the file
// looks like, what passes and where it ends is internal/pcap's.
package capture
