// Package config owns the configuration file: its keys, its defaults, what is
// allowed, and the words in which a mistake is explained. It turns TOML text
// into a Config that nobody has to check again. It reads no file and asks the
// kernel nothing: whether a device exists is known only while the daemon runs.
//
// # From text to Config
//
//	text → tree (tree.go) → raw, as written (raw.go, decode.go) → Config, as used (check_*.go)
//
// The tree keeps the line and column of every key and value, so that a rule
// about two entries can point at the right one. Parse reports every problem
// of the file at once. ParseBoot is for the start of the machine, when there
// is no running configuration to fall back on: it leaves out the smallest
// piece that holds a problem and says which; the LANs stay.
//
// # One place for each fact
//
// A key's type, bounds and choices are tags in raw.go; defaults are in
// defaults.go; the words for people are in reference.toml, from which
// docs/config.md and docs/config.schema.json are generated (package gen).
package config
