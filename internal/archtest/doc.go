// Package archtest holds the import rules of ARCHITECTURE.md as a test. It has
// no code that ships.
package archtest
