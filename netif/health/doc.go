// Package health judges one uplink: may traffic use it, and why. It is pure: a
// Monitor is fed with what was seen (the link's level, answers of probes,
// hints) and says which probes are due. It knows nothing of routes, of other
// uplinks, or of how a probe is made.
//
// # States
//
// The names are LuatOS's (exnetif.lua); the meaning is kept, the defects are not:
//
//	              Enabled=false                      Single
//	STOPPED <──────────────── any    any ──────────────────────────► SINGLE_NETWORK
//	                                                                 usable = carrier + address, never probed
//	DISCONNECTED ─ device ─► OPENED ─ carrier + address ─► CONNECTING ─ good round ─► CONNECTED
//	      ▲                   ▲  ▲                          │    ▲                        │
//	      └─ device gone ─────┘  ├──── missed round ────────┘    │ answers again          │
//	                             │                               │ (hold-down)            │
//	                             ├───────────────────────────────┘                        │
//	                             └── carrier or address lost, or fail_after missed rounds ┘
//
// OPENED with carrier and address is not a dead end as in LuatOS: it is probed
// for ever. CONNECTED stays CONNECTED while it is checked again, until
// fail_after rounds in a row are missed.
//
// # Rounds
//
// Targets are asked in rounds. The strongest kind that ever answered on this
// uplink decides (http and tcp, then dns, icmp, gateway): a round is good when
// one target of at least that strength answers, and missed when none does. A
// target that never answered here cannot condemn the uplink. A stronger kind
// that fails while a weaker one answers is a failure like any other, and the
// reason says so ("tcp does not answer, icmp does").
//
// To waste no bytes a healthy round asks two targets of the deciding strength,
// those that answered last time first. Only when neither has answered after
// half the timeout (1 s at most), or both have failed, all others are asked
// too; a round has ended when every request in it has ended. While something
// is wrong or not yet known (first check, after a miss, under suspicion,
// after a failure) all targets of all kinds are asked at once, and after a miss
// the only one that can decide is asked twice. Every twelfth
// round also asks targets of deciding or higher strength that do not answer
// at present, so that they are found again.
//
// # Failing and coming back
//
// An uplink that was never checked needs one good round. One that failed (or
// lost carrier or address, or did not answer its first fail_after rounds)
// needs recover_after good rounds in a row and, from the first of them,
// hold_down. Policy.DetectBound and Policy.RecoverBound say how long both take
// at most.
package health
