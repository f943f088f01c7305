// Package platformtest has the suites that every platform passes: what package
// platforms promises to its callers, sentence by sentence. A new sentence there is a new
// case here. There is one for each shape: [RunConversations], [RunTasks], [RunTransport].
//
// [FakeConversations], [FakeTasks] and [FakeTransport] are platforms in memory, for tests
// of what uses platforms.
package platformtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// secrets are what no error may contain.
type secrets []string

// clean demands that no secret is in an error.
func (s secrets) clean(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := fmt.Sprintf("%v %+v", err, err)
	for i, secret := range s {
		require.False(t, strings.Contains(text, secret), "an error contains secret number %d", i+1)
	}
}

// kind demands an error of a kind, without secrets.
func (s secrets) kind(t testing.TB, want conversation.Kind, err error, what ...any) {
	t.Helper()
	require.Error(t, err, what...)
	require.Equal(t, want, conversation.KindOf(err), "%v: %v", what, err)
	s.clean(t, err)
}

// ok demands that there is no error.
func (s secrets) ok(t testing.TB, err error) {
	t.Helper()
	s.clean(t, err)
	require.NoError(t, err)
}

// shape demands that a platform is of one shape, wrapped or not.
func shape(t testing.TB, p platforms.Platform) platforms.Shape {
	t.Helper()
	bare, err := platforms.ShapeOf(p)
	require.NoError(t, err)
	within, err := platforms.ShapeOf(wrapped{p})
	require.NoError(t, err)
	require.Equal(t, bare, within)
	return bare
}

// wrapped changes nothing about the platform within.
type wrapped struct{ platforms.Platform }

func (w wrapped) Unwrap() platforms.Platform { return w.Platform }
