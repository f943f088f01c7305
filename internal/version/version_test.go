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

// TestReleasesSetIt: the linker says nothing about a variable that is not there.
func TestReleasesSetIt(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"Makefile", "Dockerfile"} {
		text, err := os.ReadFile("../../" + file)
		require.NoError(t, err)
		require.Contains(t, string(text), "-X "+reflect.TypeFor[place]().PkgPath()+".linked=$", file)
	}
	require.IsType(t, "", linked)
}

type place struct{}
