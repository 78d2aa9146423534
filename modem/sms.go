package modem

import "time"

// SMS is a short message, whole: the parts of a long one are joined.
type SMS struct {
	From string // telephone number or name
	Text string
	At   time.Time // of the service centre; zero if it gave none
	Key  string    // hash over sender, time, reference and text: the same message has the same key
}
