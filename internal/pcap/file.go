package pcap

import (
	"encoding/binary"
	"time"
)

// The file format (draft-ietf-opsawg-pcap), little-endian with microseconds.
const (
	magic       = 0xa1b2c3d4
	linktypeSLL = 113 // LINKTYPE_LINUX_SLL: packets of "cooked" sockets, of any kind of device

	fileHeader   = 24
	recordHeader = 16
	sllHeader    = 16 // https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html
)

// Overhead is what the first packet of a file needs beside its bytes.
const Overhead = fileHeader + recordHeader + sllHeader

// Packet is one packet from its network header on, with what the kernel says of
// its link (sockaddr_ll of packet(7)).
type Packet struct {
	At     time.Time // wall clock
	Type   uint8     // PACKET_HOST … PACKET_OUTGOING: which way it went
	Hatype uint16    // ARPHRD_… of the device
	Addr   []byte    // the sender's link address, at most 8 bytes
	Proto  uint16    // ethertype
	Data   []byte    // what was kept of it
	Size   int       // bytes it had on the wire, at least len(Data)
}

// appendFile appends the header of a file whose packets are cut at snaplen bytes.
func appendFile(b []byte, snaplen int) []byte {
	b = binary.LittleEndian.AppendUint32(b, magic)
	b = binary.LittleEndian.AppendUint16(b, 2) // version 2.4
	b = binary.LittleEndian.AppendUint16(b, 4)
	b = binary.LittleEndian.AppendUint64(b, 0) // reserved
	b = binary.LittleEndian.AppendUint32(b, uint32(snaplen+sllHeader))
	return binary.LittleEndian.AppendUint32(b, linktypeSLL)
}

// appendRecord appends one packet with its record header and its SLL header.
func appendRecord(b []byte, p Packet) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(p.At.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(p.At.Nanosecond()/1000))
	b = binary.LittleEndian.AppendUint32(b, uint32(sllHeader+len(p.Data)))
	b = binary.LittleEndian.AppendUint32(b, uint32(sllHeader+p.Size))
	b = binary.BigEndian.AppendUint16(b, uint16(p.Type))
	b = binary.BigEndian.AppendUint16(b, p.Hatype)
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.Addr)))
	var addr [8]byte
	copy(addr[:], p.Addr)
	b = append(b, addr[:]...)
	b = binary.BigEndian.AppendUint16(b, p.Proto)
	return append(b, p.Data...)
}
