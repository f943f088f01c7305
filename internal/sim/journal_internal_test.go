package sim

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// With a failing disk no answer may promise durability: every later answer is a 500.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	s, err := New(Config{StateFile: filepath.Join(t.TempDir(), "state")})
	require.NoError(t, err)
	require.NoError(t, s.journal.f.Close())
	for range 2 {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/v1/projects", strings.NewReader(`{"name":"p"}`)))
		require.Equal(t, 500, w.Code)
	}
	_, err = s.Seed(t.Context(), Setup{})
	require.ErrorContains(t, err, "state file")
	require.ErrorContains(t, s.Close(), "state file")
}

func TestDrawIsTheSameForTheSameKey(t *testing.T) {
	t.Parallel()
	f := Faults{ErrorRate: 0.5, SlowRate: 0.5, SlowBy: 1, LostAnswerRate: 0.5, MalformedRate: 0.5}
	same, errors := 0, 0
	for i := range 1000 {
		one := f.draw(OpEnd, int64(1), i)
		require.Equal(t, one, f.draw(OpEnd, int64(1), i))
		if one == f.draw(OpStart, int64(1), i) {
			same++
		}
		if one.refuse == 500 {
			errors++
		}
	}
	require.Less(t, same, 500)
	require.InDelta(t, 500, errors, 80)
}
