// Package queue keeps what a connection accepted until it is confirmed: one
// ordered queue per connection, in append-only segment files. It does not know
// sockets, sources or frames, and never calls back under a lock.
//
// # What a caller can rely on
//
// Put writes the record before it returns, so a kill -9 loses nothing that was
// accepted, in any mode. Held says what a power cut does: Disk means that the
// record was synced to flash before Put returned; Run means that it is in the
// tmpfs, or on flash and not yet synced. Messages come out in the order they
// went in. A message that is dropped by a written rule is told to OnDrop once.
// After a power cut messages that were done may come again, never the reverse.
//
// # Files
//
// There are two directories, called tiers: run, on a tmpfs, and disk, on
// flash. Both hold segments of about 256 KiB and a small file with the position.
// A segment is only appended to by the process that made it, is never changed
// otherwise and is removed as a whole, once all in it is done. Nothing is
// renamed and nothing mapped (jffs2 has no shared mappings). A segment may
// exist in both tiers while it moves; equal sequence numbers are one message.
//
// # Locks
//
// syncMu is held while something waits for flash and is taken before mu. mu
// guards the state; a Put that waits for its sync holds neither, so that one
// sync serves all that wait.
package queue
