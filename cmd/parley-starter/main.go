// Command parley-starter is starter under the name that packages and "go install" give it, which
// no other program has.
package main

import "github.com/parley-run/parley/starter/command"

func main() { command.Main() }
