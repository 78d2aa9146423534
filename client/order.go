package client

// OrderKind is what a session wants to be done.
type OrderKind uint8

// The orders.
const (
	OrderDial    OrderKind = iota // connect link Link through Uplink
	OrderSend                     // write Writes on link Link, in order
	OrderShut                     // close link Link; Force without waiting
	OrderConfirm                  // message Seq has its result
	OrderDone                     // everything up to Seq may leave the queue
	OrderDeliver                  // Data was received
	OrderFeed                     // the network watchdog has food
)

func (k OrderKind) String() string {
	return [...]string{"dial", "send", "shut", "confirm", "done", "deliver", "feed"}[k]
}

// Order is one thing to do. Which fields count depends on Do.
type Order struct {
	Do     OrderKind
	Link   int // number of the session, from 1
	Uplink string
	Force  bool
	Writes []Write
	Seq    uint64
	Result Result
	Data   []byte
}

// Write is one message, heartbeat or registration on the wire. Wrote has to be
// called with its token.
type Write struct {
	Token uint64
	Seq   uint64 // 0: none of the queue's
	Bytes []byte
	Hide  int // so many bytes at the beginning may hold a password: not for a trace
}
