package activities

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/parley-run/parley/conversation"
)

// A panic in a call is the error of its attempt, not the end of the worker.
func TestAPanicInACallIsAnError(t *testing.T) {
	t.Parallel()
	env := new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
	act := func(ctx context.Context) error {
		_, _, err := recovering(ctx, func() (any, int, error) { panic("index out of range") })
		require.Equal(t, conversation.Unavailable, conversation.KindOf(err))
		require.ErrorContains(t, err, "index out of range")
		return nil
	}
	env.RegisterActivity(act)
	_, err := env.ExecuteActivity(act)
	require.NoError(t, err)
}
