package records

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
)

func TestTransient(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		serviceerror.NewUnavailable("down"), serviceerror.NewInternal("odd"), serviceerror.NewWorkflowNotReady("no task yet"),
		new(client.WorkflowUpdateServiceTimeoutOrCanceledError),
	} {
		require.True(t, Transient(fmt.Errorf("wrapped: %w", err)), "%T", err)
	}
	for _, err := range []error{nil, errors.New("odd"), context.Canceled, serviceerror.NewNotFound("gone"), serviceerror.NewPermissionDenied("no", "")} {
		require.False(t, Transient(err), "%T", err)
	}
}
