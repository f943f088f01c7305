package version

import (
	"os"
	"reflect"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOf(t *testing.T) {
	t.Parallel()
	built := func(version string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Path: module, Version: version}}
	}
	embedded := &debug.BuildInfo{
		Main: debug.Module{Path: "example.com/bot", Version: "v9.0.0"},
		Deps: []*debug.Module{{Path: "example.com/other", Version: "v8.0.0"}, {Path: module, Version: "v1.2.3"}},
	}
	for _, tt := range []struct {
		name, linked string
		info         *debug.BuildInfo
		want         string
	}{
		{name: "Release", linked: "v1.2.3", info: built("v1.2.3-0.2026"), want: "v1.2.3"},
		{name: "Installed", info: built("v1.2.3"), want: "v1.2.3"},
		{name: "Worktree", info: built("(devel)"), want: "dev"},
		{name: "Test", info: built(""), want: "dev"},
		{name: "Embedded", info: embedded, want: "v1.2.3"},
		{name: "Nothing", want: "dev"},
		{name: "ReleaseWithoutInfo", linked: "v1.2.3", want: "v1.2.3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, of(tt.linked, tt.info))
		})
	}
}

func TestSource(t *testing.T) {
	t.Parallel()
	built := func(path string, settings ...string) *debug.BuildInfo {
		info := &debug.BuildInfo{Main: debug.Module{Path: path}}
		for i := 0; i < len(settings); i += 2 {
			info.Settings = append(info.Settings, debug.BuildSetting{Key: settings[i], Value: settings[i+1]})
		}
		return info
	}
	const full = "208dd50d1234567890abcdef"
	vcs := []string{"vcs.revision", full, "vcs.time", "2026-11-29T12:00:00Z"}
	for _, tt := range []struct {
		name, commit, date string
		info               *debug.BuildInfo
		want               string
	}{
		{name: "Release", commit: full, date: "2026-11-29T12:00:00Z", info: built(module), want: "208dd50d1234 2026-11-29T12:00:00Z"},
		{name: "Worktree", info: built(module, vcs...), want: "208dd50d1234 2026-11-29T12:00:00Z"},
		{name: "Changed", info: built(module, append(vcs, "vcs.modified", "true")...), want: "208dd50d1234 2026-11-29T12:00:00Z changed"},
		{name: "Embedded", info: built("example.com/bot", vcs...)},
		{name: "Module", info: built(module)},
		{name: "Nothing"},
		{name: "Short", commit: "abc", want: "abc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, source(tt.commit, tt.date, tt.info))
		})
	}
}

// TestReleasesSetIt: the linker says nothing about a variable that is not there.
func TestReleasesSetIt(t *testing.T) {
	t.Parallel()
	for file, names := range map[string][]string{"Makefile": {"linked=$"}, "Dockerfile": {"linked=$"}, ".goreleaser.yaml": {"linked={{", "commit={{", "date={{"}} {
		text, err := os.ReadFile("../../" + file)
		require.NoError(t, err)
		for _, name := range names {
			require.Contains(t, string(text), "-X "+reflect.TypeFor[place]().PkgPath()+"."+name, file)
		}
	}
	require.IsType(t, "", linked+commit+date)
}

type place struct{}
