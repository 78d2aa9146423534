package local

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"luatnetd/client"
	"luatnetd/client/hub"
)

// The stream socket's protocol. A program just sends lines, each a message. One
// that wants something else says so at the very beginning, in a line that
// starts with a zero byte; nothing after that is ever looked at for commands:
//
//	\0 send | recv | send length | recv length | both length
//
// With "length" a message is four bytes (big endian) and as many bytes of
// data. Each message is answered by one line or frame, in order. After "recv"
// or "both" what is received comes in the same framing; with "both" the first
// byte of a frame is 'a' for an answer and 'r' for received data.
type hello struct{ send, recv, length bool }

// maxHello bounds the first line.
const maxHello = 64

var errHello = errors.New(`after a zero byte the first line must be "send", "recv", "send length", "recv length" or "both length"`)

// readHello reads the rest of the first line, after the zero byte.
func readHello(r *bufio.Reader) (hello, error) {
	line, err := readLine(r, maxHello)
	if err != nil {
		return hello{}, fmt.Errorf("%w: %w", errHello, err)
	}
	switch string(line) {
	case "send":
		return hello{send: true}, nil
	case "recv":
		return hello{recv: true}, nil
	case "send length":
		return hello{send: true, length: true}, nil
	case "recv length":
		return hello{recv: true, length: true}, nil
	case "both length":
		return hello{send: true, recv: true, length: true}, nil
	}
	return hello{}, errHello
}

// errTooLong says that a message is over the limit; the connection ends then,
// since the rest of it cannot be told from the next.
var errTooLong = errors.New("message over the size limit")

// readMessage returns the next message; io.EOF between two is the end.
func (h hello) readMessage(r *bufio.Reader, limit int) ([]byte, error) {
	if !h.length {
		return readLine(r, limit)
	}
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if uint64(n) > uint64(limit) {
		return nil, fmt.Errorf("%d bytes: %w of %d", n, errTooLong, limit)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, noEOF(err)
	}
	return data, nil
}

// readLine returns a line without its end, LF or CRLF. A last line without an
// end counts.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) && len(line) <= limit {
			continue
		}
		if err != nil && len(line) == 0 {
			return nil, err
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(line) > limit {
			return nil, fmt.Errorf("%w of %d bytes", errTooLong, limit)
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
		return line, nil
	}
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// answer is what the program is told about its n-th message:
//
//	accepted disk 17
//	partly run 17 refused by b: full
//	refused 17 a: full; b: full
//
// How safe it is, is the least that any target promises.
func answer(n uint64, out []hub.Outcome, err error) string {
	if err != nil {
		return fmt.Sprintf("refused %d %s", n, oneLine(err.Error()))
	}
	held, took := client.Disk, 0
	var refused []string
	for _, o := range out {
		if o.Err != nil {
			refused = append(refused, o.Target+": "+oneLine(o.Err.Error()))
			continue
		}
		held, took = min(held, o.Held), took+1
	}
	why := strings.Join(refused, "; ")
	switch {
	case took == 0:
		return fmt.Sprintf("refused %d %s", n, why)
	case len(refused) > 0:
		return fmt.Sprintf("partly %s %d refused by %s", held, n, why)
	}
	return fmt.Sprintf("accepted %s %d", held, n)
}

// offer sends one message of a program and returns the answer.
func (c Config) offer(n uint64, data []byte) string {
	if len(data) == 0 {
		return answer(n, nil, errEmpty)
	}
	out, err := c.Send(client.Message{Source: c.Name, Data: data, At: c.Now()}, nil)
	return answer(n, out, err)
}

// errEmpty: no byte can be confirmed.
var errEmpty = errors.New("empty message")

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// frameAnswer and frameReceived put a line or frame on the stream.
func (h hello) frameAnswer(text string) []byte {
	switch {
	case h.recv && h.length:
		return frame('a', []byte(text))
	case h.length:
		return frame(0, []byte(text))
	}
	return []byte(text + "\n")
}

func (h hello) frameReceived(r client.Received) []byte {
	data := append([]byte(r.Prefix), r.Data...)
	switch {
	case h.send && h.length:
		return frame('r', data)
	case h.length:
		return frame(0, data)
	}
	return append(data, '\n')
}

// frame is length and data; a kind other than 0 is the first byte of the data.
func frame(kind byte, data []byte) []byte {
	if kind != 0 {
		data = append([]byte{kind}, data...)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...)
}
