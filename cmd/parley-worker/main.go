// Command parley-worker is worker under the name that packages and "go install" give it, which
// no other program has.
package main

import "github.com/parley-run/parley/worker/command"

func main() { command.Main() }
