// Command flash is the writer and the judge of the test of power cuts on flash.
// The writer puts messages into a queue and prints what the queue has promised;
// it is frozen at some instant and the device copied. The judge opens the queue
// on the copy, with an empty run directory as after a boot, and compares.
//
//	flash write MODE RUN DISK         until killed; prints try, synced and leaving
//	flash check MODE RUN DISK LOG     what the copy holds against what was printed
//	flash fill MODE RUN DISK FILLER   until the flash is full, and back, twice
package main
