// Package version says which Parley this is.
package version

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// linked is set when a release is built: -X .../internal/version.linked=v1.2.3.
var linked string

const module = "github.com/parley-run/parley"

// String is the version of the release, else that of the source it was built from,
// else "dev". In other people's programs it is that of the module they require.
func String() string {
	info, _ := debug.ReadBuildInfo()
	return of(linked, info)
}

// Line is what a command answers to --version.
func Line(command string) string {
	return fmt.Sprintf("%s %s %s %s/%s", command, String(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func of(linked string, info *debug.BuildInfo) string {
	built := ""
	if m := own(info); m != nil && m.Version != "(devel)" {
		built = m.Version
	}
	return cmp.Or(linked, built, "dev")
}

func own(info *debug.BuildInfo) *debug.Module {
	if info == nil {
		return nil
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == module {
			return m
		}
	}
	return nil
}
