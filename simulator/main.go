// Command simulator is a practice partner for agents: a OneRun-compatible platform in
// one process, with personas of its own. `simulator --help` lists its flags; package sim
// is the same for programs and tests. The code is in package simulator/command.
package main

import "github.com/parley-run/parley/simulator/command"

func main() { command.Main() }
