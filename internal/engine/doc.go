// Package engine is the loop: the only place where pure and effect meet. It
// owns all mutable state of the daemon. Sensors hand it values; each turn it
// steps the pure rooms, builds the whole plan, hands it to the applier and
// publishes one status document. It never blocks and holds no policy: a rule
// about networks belongs into the room whose noun it is about.
//
// One turn is one screen: see (*Engine).turn.
package engine
