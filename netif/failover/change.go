package failover

// Change is a change of the active uplink: the content of LuatOS's notify
// callback and of EXLIB_NETDRV_NETWORK_STATUS.
type Change struct {
	From, To string // names; "" for none
	Reason   string
	Text     string // the sentence for logs and events
}

// Changed compares two decisions that follow each other. Emit the change after
// the routes are in place, so that who acts on it uses the new uplink.
func Changed(prev, next Decision) (Change, bool) {
	if prev.Active == next.Active {
		return Change{}, false
	}
	c := Change{From: prev.Active, To: next.Active, Reason: next.Reason}
	switch {
	case c.To == "":
		c.Text = "no uplink is active, it was " + c.From + ": " + c.Reason
	case c.From == "":
		c.Text = "uplink " + c.To + " is active: " + c.Reason
	default:
		c.Text = "uplink " + c.To + " is active instead of " + c.From + ": " + c.Reason
	}
	return c, true
}

// Status returns the payload of EXLIB_NETDRV_NETWORK_STATUS: the uplink's name,
// or "nil" and -1 where none is active. Adapter numbers of LuatOS differ
// between chips and are not part of our interface, so ok uplinks have id 0.
func (c Change) Status() (name string, id int) {
	if c.To == "" {
		return "nil", -1
	}
	return c.To, 0
}

// Kinds of events about a single uplink, with LuatOS's names.
const (
	IPReady = "IP_READY" // carrier and address; says nothing of reachability
	IPLose  = "IP_LOSE"  // one of them is gone, the lease expired, or was refused
)

// Event is an IP_READY or IP_LOSE of one uplink.
type Event struct {
	Kind   string
	Uplink string
	Text   string
}

// Events compares the uplinks of two inputs. A changed address is an IP_LOSE
// followed by an IP_READY; losses come first.
func Events(prev, next []Uplink) []Event {
	before := map[string]Uplink{}
	for _, u := range prev {
		before[u.Name] = u
	}
	var lost, ready []Event
	for _, u := range next {
		old := before[u.Name]
		delete(before, u.Name)
		moved := old.connected() && u.connected() && old.Addr != u.Addr
		if old.connected() && (!u.connected() || moved) {
			lost = append(lost, u.lose(moved))
		}
		if u.connected() && (!old.connected() || moved) {
			ready = append(ready, Event{IPReady, u.Name, u.Name + " has carrier and address" + u.at()})
		}
	}
	for _, u := range prev {
		if _, gone := before[u.Name]; gone && u.connected() {
			lost = append(lost, Event{IPLose, u.Name, u.Name + " is not configured any more"})
		}
	}
	return append(lost, ready...)
}

func (u Uplink) at() string {
	if u.Addr.IsValid() {
		return " " + u.Addr.String()
	}
	return ""
}

// lose is the IP_LOSE of u with its cause.
func (u Uplink) lose(moved bool) Event {
	text := u.Name + " has lost its address"
	switch {
	case moved:
		text = u.Name + " has another address now"
	case !u.Enabled:
		text = u.Name + " is closed by the operator"
	case !u.Carrier:
		text = u.Name + " has lost its carrier"
	}
	return Event{IPLose, u.Name, text}
}
