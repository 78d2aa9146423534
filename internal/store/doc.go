// Package store keeps small things over a restart and a power cut, with few
// writes: whole files that are replaced atomically (WriteFile, ReadFile), an
// append-only log of records (Log), and a lock against a second instance
// (Lock). It knows nothing about what it keeps.
//
// # What a caller can rely on
//
// A reader sees the old file or the new one, never a mixture. A record whose
// Sync returned nil is found again after a power cut. Damage is local: a torn
// tail is cut, a bad record in the middle is skipped and counted, a file that
// is no log at all is set aside as ".bad". A medium that turns read-only or
// full never stops the caller: the Log then keeps nothing and says why in Err,
// until a Rewrite succeeds.
//
// A Log is used by one goroutine at a time; only Err may be called by others.
package store
