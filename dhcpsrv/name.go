package dhcpsrv

import (
	"strconv"
	"strings"
)

// maxLabel is the longest DNS label in bytes (RFC 1035 §2.3.4).
const maxLabel = 63

// forbidden are names that would turn a LAN against its users: localhost, the
// proxy discovery of browsers, the tunnel discovery of Windows.
var forbidden = map[string]bool{"localhost": true, "wpad": true, "isatap": true}

// cleanName makes a DNS label out of whatever a client sent: lower case
// letters, digits and hyphens, 63 bytes at most; "" when nothing is left or
// the name is not for clients. Nothing else may reach DNS, files or pages.
func cleanName(raw string) string {
	raw, _, _ = strings.Cut(raw, "\x00")
	raw, _, _ = strings.Cut(raw, ".") // the rest is a domain of the client's
	var b strings.Builder
	for _, c := range strings.ToLower(raw) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b.WriteRune(c)
		case c == '\'' || c == '’':
			// "Ann's phone" reads better as anns-phone
		default:
			if !strings.HasSuffix(b.String(), "-") {
				b.WriteByte('-')
			}
		}
	}
	name := strings.Trim(b.String(), "-")
	if len(name) > maxLabel {
		name = strings.TrimRight(name[:maxLabel], "-")
	}
	if forbidden[name] {
		return ""
	}
	return name
}

// uniqueName returns name, or name-2 … name-9 where others hold it, or "": the
// first holder keeps a name (S25).
func uniqueName(name string, held func(string) bool) string {
	if name == "" || !held(name) {
		return name
	}
	for i := 2; i <= 9; i++ {
		suffix := "-" + strconv.Itoa(i)
		other := strings.TrimRight(name[:min(len(name), maxLabel-len(suffix))], "-") + suffix
		if !held(other) {
			return other
		}
	}
	return ""
}
