package lab

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// proc writes what Linux says of a process. An empty text leaves the file out.
func proc(t *testing.T, stat, statm string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "fd"), 0o700))
	for _, name := range []string{"0", "1", "17"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "fd", name), nil, 0o600))
	}
	for name, text := range map[string]string{"stat": stat, "statm": statm} {
		if text != "" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
	}
	return dir
}

const (
	stat  = "77 (worker) S 1 77 77 0 -1 4194304 9 8 7 6 1234 56 3 2 20 0 9 0 4242 1257472 1000 18446744073709551615\n"
	statm = "307 250 100 20 0 90 0\n"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	want := Usage{RSS: 250 * int64(os.Getpagesize()), Files: 3, CPU: 12900 * time.Millisecond}
	for name, text := range map[string]string{
		"plain":            stat,
		"name with spaces": "77 (my worker) 1 (x) S" + stat[len("77 (worker) S"):],
	} {
		got, err := usageIn(proc(t, text, statm))
		require.NoError(t, err, name)
		require.Equal(t, want, got, name)
	}
}

func TestUsageRefusals(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ stat, statm, want string }{
		"no memory":     {stat, "", "statm: no such file"},
		"short memory":  {stat, "307\n", "statm has 1 fields"},
		"wrong memory":  {stat, "307 many\n", `statm: strconv.ParseInt: parsing "many"`},
		"no times":      {"", statm, "stat: no such file"},
		"short times":   {"77 (worker) S 1 2\n", statm, "stat has 3 fields"},
		"no name":       {"", "307 250\n", "stat: no such file"},
		"wrong seconds": {"77 (worker) S 1 77 77 0 -1 4194304 9 8 7 6 soon 56 3\n", statm, `stat: strconv.ParseInt: parsing "soon"`},
	} {
		_, err := usageIn(proc(t, tt.stat, tt.statm))
		require.ErrorContains(t, err, tt.want, name)
		require.ErrorContains(t, err, "lab: ", name)
	}
	_, err := usageIn(filepath.Join(t.TempDir(), "none"))
	require.ErrorContains(t, err, "lab: the process has ended, or this is not Linux")
}

func TestUsageOfThisProcess(t *testing.T) {
	before, err := UsageOf(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, before.RSS, int64(1<<20))
	var opened []*os.File
	for range 50 {
		f, err := os.Open(os.DevNull)
		require.NoError(t, err)
		opened = append(opened, f)
	}
	now, err := UsageOf(os.Getpid())
	require.NoError(t, err)
	require.GreaterOrEqual(t, now.Files, before.Files+40)
	for _, f := range opened {
		require.NoError(t, f.Close())
	}
	for now.CPU <= before.CPU && t.Context().Err() == nil { // reading it takes time too
		now, err = UsageOf(os.Getpid())
		require.NoError(t, err)
	}
	require.Greater(t, now.CPU, before.CPU)
}
