package modem

import "time"

// SMS is a short message, whole: the parts of a long one are joined.
type SMS struct {
	From string    `json:"from"` // telephone number or name
	Text string    `json:"text"`
	At   time.Time `json:"at,omitzero"` // of the service centre; zero if it gave none
	Key  string    `json:"key"`         // hash over sender, time, reference and text: the same message has the same key
}
