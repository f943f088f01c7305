package build_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/internal/localstack/build"
)

const (
	tinyModule  = "module github.com/parley-run/parley/devserver\n\ngo 1.26.0\n"
	tinyProgram = "package main\n\nfunc main() { println(\"tiny\") }\n"
)

// tinySource is a module with the devserver's name that builds quickly.
func tinySource(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "devserver")
	require.NoError(t, os.Mkdir(dir, 0o755))
	writeFile(t, filepath.Join(dir, "go.mod"), tinyModule)
	writeFile(t, filepath.Join(dir, "main.go"), tinyProgram)
	return dir
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

func TestDevserverBuildsOnce(t *testing.T) {
	t.Parallel()
	src := tinySource(t)
	opts := build.Cache{SourceDir: src, Dir: filepath.Join(t.TempDir(), "cache")}

	first, took, err := opts.Devserver(t.Context())
	require.NoError(t, err)
	require.Positive(t, took)
	out, err := exec.Command(first).CombinedOutput()
	require.NoError(t, err)
	require.Equal(t, "tiny\n", string(out))

	again, took, err := opts.Devserver(t.Context())
	require.NoError(t, err)
	require.Zero(t, took)
	require.Equal(t, first, again)

	writeFile(t, filepath.Join(src, "main_test.go"), "package main\n")
	writeFile(t, filepath.Join(src, "README.md"), "# Devserver\n")
	again, _, err = opts.Devserver(t.Context())
	require.NoError(t, err)
	require.Equal(t, first, again, "tests and texts make no other program")

	writeFile(t, filepath.Join(src, "main.go"), tinyProgram+"\n// changed\n")
	other, took, err := opts.Devserver(t.Context())
	require.NoError(t, err)
	require.Positive(t, took)
	require.NotEqual(t, first, other)

	entries, err := os.ReadDir(opts.Dir)
	require.NoError(t, err)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{"build.lock", filepath.Base(first), filepath.Base(other)}
	slices.Sort(want)
	require.Equal(t, want, names, "no unfinished build is left")
}

func TestDevserverBuildsOnceForAll(t *testing.T) {
	t.Parallel()
	var (
		mu     sync.Mutex
		builds int
	)
	opts := build.Cache{
		SourceDir: tinySource(t), Dir: t.TempDir(),
		OnProgress: func(p build.Progress) {
			mu.Lock()
			defer mu.Unlock()
			if p.Step == build.StepBuilt {
				builds++
			}
		},
	}
	var g errgroup.Group
	for range 4 {
		g.Go(func() error {
			_, _, err := opts.Devserver(t.Context())
			return err
		})
	}
	require.NoError(t, g.Wait())
	require.Equal(t, 1, builds)
}

func TestDevserverShowsTheCompilersWords(t *testing.T) {
	t.Parallel()
	src := tinySource(t)
	writeFile(t, filepath.Join(src, "main.go"), "package main\n\nfunc main() { nonsense() }\n")
	cache := t.TempDir()
	_, _, err := build.Cache{SourceDir: src, Dir: cache}.Devserver(t.Context())
	require.ErrorContains(t, err, "undefined: nonsense")
	require.ErrorContains(t, err, "install the Temporal CLI")
	left, err := filepath.Glob(filepath.Join(cache, "*-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestDevserverStopsTheBuildWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, _, err := build.Cache{
		SourceDir: tinySource(t), Dir: t.TempDir(),
		OnProgress: func(p build.Progress) {
			if p.Step == build.StepCompile {
				cancel()
			}
		},
	}.Devserver(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestDevserverWithoutGo(t *testing.T) {
	src := tinySource(t)
	t.Setenv("PATH", t.TempDir())
	_, _, err := build.Cache{SourceDir: src, Dir: t.TempDir()}.Devserver(t.Context())
	require.ErrorContains(t, err, "no go command on PATH")
	require.ErrorContains(t, err, "give the address of a running Temporal server")
}

func TestDevserverFindsTheCheckout(t *testing.T) {
	src := tinySource(t)
	deep := filepath.Join(filepath.Dir(src), "internal", "deep")
	require.NoError(t, os.MkdirAll(deep, 0o755))
	t.Chdir(deep)
	cache := t.TempDir()
	here, _, err := build.Cache{Dir: cache}.Devserver(t.Context())
	require.NoError(t, err)
	same, took, err := build.Cache{Dir: cache, SourceDir: src}.Devserver(t.Context())
	require.NoError(t, err)
	require.Zero(t, took)
	require.Equal(t, here, same)
}
