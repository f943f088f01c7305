// Command embed is a Parley worker with parts of its own: an executor that wraps a
// model, a platform, a tool, a payload codec, interceptors, and worker versioning. It
// imports nothing but Parley's public packages.
package main

import (
	"fmt"
	"os"

	"github.com/parley-run/parley"
)

func main() {
	options, err := newOptions(os.LookupEnv)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	parley.Main(options)
}
