// Command parley-simulator is simulator under the name that packages and "go install" give it, which
// no other program has.
package main

import "github.com/parley-run/parley/simulator/command"

func main() { command.Main() }
