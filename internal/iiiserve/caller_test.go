package iiiserve_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
)

// An end over the engine is recorded with the name of the worker that called.
func TestEndIsRecordedWithTheCaller(t *testing.T) {
	t.Parallel()
	s := serving(t, options{})
	id := s.must("start", object{"conversationId": "c1"})["workflowId"].(string)
	s.must("end", object{"conversationId": "c1", "reason": "enough"})
	acts, err := (&operate.Operator{Reader: &records.Reader{Client: s.client, TaskQueue: s.name}}).Acts(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, acts, 1)
	require.Equal(t, operate.ActionEnd, acts[0].Action)
	require.Equal(t, "iii worker caller", acts[0].By)
	require.Equal(t, "enough", acts[0].Detail)
}
