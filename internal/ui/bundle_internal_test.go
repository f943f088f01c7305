package ui

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/records"
)

func bundle(t *testing.T, dir string, all ...records.Record) (string, error) {
	t.Helper()
	n, first, err := Bundle{Dir: dir, Where: "here", Read: func(_ context.Context, use func(records.Record) error) error {
		for _, r := range all {
			if err := use(r); err != nil {
				return err
			}
		}
		return nil
	}}.Write(t.Context())
	if err == nil {
		require.Equal(t, len(all), n)
	}
	return first, err
}

// Every link of every page leads to a file, and no page has a button or asks a server.
func TestBundle(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pages")
	other := ended("main/p/4", "Ada")
	other.Simulation = "sim_0"
	all := []records.Record{ended("main/p/1", "Ada"), parked("main/p/2"), approving("main/p/3"), other}
	first, err := bundle(t, dir, all...)
	require.NoError(t, err)
	require.FileExists(t, first)
	_, err = bundle(t, dir, all[:3]...)
	require.NoError(t, err, "its own files are replaced")
	gone := filepath.Join(dir, "conversations", keyOf("main/p/4")+".html")
	require.NoFileExists(t, gone)
	_, err = bundle(t, dir, all...)
	require.NoError(t, err)
	require.FileExists(t, gone)

	links := regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	pages := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".html") {
			return err
		}
		pages++
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		text := string(data)
		require.Contains(t, text, "Content-Security-Policy")
		require.NotContains(t, text, "data-live")
		require.NotContains(t, text, `method="post"`)
		for _, m := range links.FindAllStringSubmatch(text, -1) {
			to, _, _ := strings.Cut(m[1], "#")
			if to == "" {
				continue
			}
			require.NotContains(t, to, ":")
			require.False(t, strings.HasPrefix(to, "/"), to)
			require.FileExists(t, filepath.Join(filepath.Dir(path), filepath.FromSlash(to)), "%s in %s", m[1], path)
		}
		return nil
	}))
	require.Equal(t, 4+4+2+1, pages, "conversations, pages of many, simulations, agent")
	one, err := os.ReadFile(filepath.Join(dir, "conversations", keyOf("main/p/1")+".html"))
	require.NoError(t, err)
	require.Contains(t, string(one), "Where is my order?")
}

func TestBundleKeepsFilesOfOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mine := filepath.Join(dir, "index.html")
	require.NoError(t, os.WriteFile(mine, []byte("mine"), 0o600))
	_, err := bundle(t, dir, ended("main/p/1", "Ada"))
	require.ErrorContains(t, err, "empty directory")
	data, err := os.ReadFile(mine)
	require.NoError(t, err)
	require.Equal(t, "mine", string(data))
}
