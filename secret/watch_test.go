package secret

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A file is read at most once a second, and a new content counts once two readings have
// found it, or at once after the key was refused.
func TestWatch(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	write("one")
	now := time.Unix(1e9, 0)
	w := NewWatch(path)
	w.now = func() time.Time { return now }
	w.read = now
	changed := func(after time.Duration, atOnce bool) bool {
		now = now.Add(after)
		is, err := w.Changed(atOnce)
		require.NoError(t, err)
		return is
	}
	write("tw")
	require.False(t, changed(time.Second/2, false), "not read yet")
	require.False(t, changed(time.Second, false), "seen once")
	write("two")
	require.False(t, changed(time.Second, false), "seen once: it was being written")
	require.True(t, changed(time.Second, false))
	w.Use()
	require.False(t, changed(time.Second, false))
	write("three")
	require.True(t, changed(0, true), "refused")
	w.Use()
	write("")
	now = now.Add(time.Second)
	is, err := w.Changed(false)
	require.False(t, is)
	require.ErrorIs(t, err, ErrEmpty)
	require.False(t, changed(time.Second, false), "reported once")
	write("three")
	require.False(t, changed(time.Second, true))
}
