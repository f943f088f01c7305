// Package version says which Parley this is.
package version

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// linked, commit and date are set when a release is built: -X .../internal/version.linked=v1.2.3.
var linked, commit, date string

const module = "github.com/parley-run/parley"

// String is the version of the release, else that of the source it was built from,
// else "dev". In other people's programs it is that of the module they require.
func String() string {
	info, _ := debug.ReadBuildInfo()
	return of(linked, info)
}

// Line is what a command answers to --version: with the commit and its date, where they
// are known.
func Line(command string) string {
	info, _ := debug.ReadBuildInfo()
	text := command + " " + String()
	if of := source(commit, date, info); of != "" {
		text += " (" + of + ")"
	}
	return fmt.Sprintf("%s %s %s/%s", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// shortCommit is enough to find a commit.
const shortCommit = 12

// source is the commit and its date: those that were linked, else those that the go command
// found in the worktree.
func source(commit, date string, info *debug.BuildInfo) string {
	changed := ""
	if commit == "" && info != nil && info.Main.Path == module {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = s.Value
			case s.Key == "vcs.time":
				date = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				changed = " changed"
			}
		}
	}
	if commit == "" {
		return ""
	}
	return strings.TrimSpace(commit[:min(len(commit), shortCommit)]+" "+date) + changed
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
