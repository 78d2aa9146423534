package config

import _ "embed" // the two files

//go:embed reference.toml
var reference string

//go:embed example.toml
var packaged string

// Reference is reference.toml: every key, documented once. It is valid.
func Reference() string { return reference }

// Example is the configuration that packages install: all of it commented
// out, so that it changes nothing.
func Example() string { return packaged }
