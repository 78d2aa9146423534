// Package failover decides which uplink carries traffic, and says why, rule by
// rule. It is pure: Step is a function of its arguments, and the daemon,
// "ctl explain", the simulation and the journal's replay all call it.
//
// # Rules, in order
//
//  1. use: the uplink named by the operator goes first, if it is usable; else
//     the choice is automatic and the reason says so.
//  2. rank: usable uplinks in the order of the configuration. All of them get
//     a default in main; the first is active. A better one takes over the
//     moment it is usable (health sees to recover_after and hold_down).
//  3. grace: after the start the preferred uplink has startup_grace to become
//     usable before another one is used. That is over at once when it has no
//     carrier or has failed its checks, and never begins where a predecessor
//     left an uplink in use.
//  4. doubt: main rests on an uplink that has failed, but none of the usable
//     ones passed its last check. They may be dying of the same cause: main
//     stays as it is until their next round decides.
//  5. waived: no uplink is usable but one answers again. Its hold-down is
//     waived if main rests on it already, or if what main rests on has not
//     answered for ten seconds: there is nothing better to wait for.
//  6. open: no uplink is usable and main rests on nothing that has an address
//     (at start, or because its device went away). With fail_open, after
//     startup_grace, or two seconds later on, every uplink with carrier and
//     address whose first check has ended is entered: a private APN answers no
//     probe.
//  7. hold: no uplink is usable. main is left as it is, nothing is killed.
//
// An uplink's flows are killed only while another one that is usable passed
// its last check, and never because of the start itself.
package failover
