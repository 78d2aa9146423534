package client

// SendPrefix is what LuatOS's senders put before the data of a source.
func SendPrefix(tag string) string { return "send from " + tag + ": " }

// RecvPrefix is what LuatOS's receivers put before what a server said. The
// label is the connection's kind in LuatOS's words.
func RecvPrefix(label string) string { return "recv from " + label + " server: " }

// Label is a kind in LuatOS's words: tcp, udp, tcp_ssl, and tcp_ssl_ca where
// the server is verified against a CA file.
func Label(k Kind, ca bool) string {
	switch {
	case k == TLS && ca:
		return "tcp_ssl_ca"
	case k == TLS:
		return "tcp_ssl"
	default:
		return string(k)
	}
}
