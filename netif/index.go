package netif

// Index is an uplink's number, 1 to 62. It is bound to the uplink's name and
// kept in the state directory, so a mark in conntrack keeps its meaning when
// the configuration is re-ordered. 0 means "none".
type Index uint8

// MaxIndex is the highest uplink index; 63 marks our own untracked packets.
const MaxIndex Index = 62

// Valid reports whether n may be used in marks and tables.
func (n Index) Valid() bool { return n >= 1 && n <= MaxIndex }
