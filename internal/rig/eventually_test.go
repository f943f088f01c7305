package rig_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/rig"
)

// failing is a test that fails.
type failing struct {
	*testing.T
	text string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	panic(f)
}

func TestEventually(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		rig.Eventually(t, func() bool { asked++; return asked == 100 })
		require.Equal(t, 100, asked)

		f := &failing{T: t}
		var last strings.Builder
		require.PanicsWithValue(t, f, func() {
			rig.Eventually(f, func() bool { last.WriteString("new "); return false }, "it is %s", &last)
		})
		require.Contains(t, f.text, rig.Patience.String())
		require.Contains(t, f.text, "it is new new", "the message is made at the end")
	})
}
