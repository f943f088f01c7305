// Command starter starts, watches and controls Parley's conversations. `starter --help`
// lists its commands; docs/starter.md is the reference. The code is in package
// starter/command.
package main

import "github.com/parley-run/parley/starter/command"

func main() { command.Main() }
