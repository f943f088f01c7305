package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version names what is inside: the versions of the modules built in.
func version() string {
	return fmt.Sprintf("devserver with Temporal server %s, UI %s (%s)",
		moduleVersion("go.temporal.io/server"), moduleVersion("github.com/temporalio/ui-server/v2"), runtime.Version())
}

func moduleVersion(path string) string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return "unknown"
	}
	for _, dep := range info.Deps {
		if dep.Path == path {
			return dep.Version
		}
	}
	return "unknown"
}
