package records_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/records/recordstest"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		kind records.FaultKind
		text string
	}{
		"Down":       {serviceerror.NewUnavailable("last connection error: …"), records.Unreachable, "list: Temporal at localhost:7233 does not answer: check that it runs, and the address"},
		"Slow":       {fmt.Errorf("rpc: %w", context.DeadlineExceeded), records.Unreachable, "list: Temporal at localhost:7233 did not answer in time"},
		"Namespace":  {serviceerror.NewNamespaceNotFound("default"), records.Failed, `list: Temporal at localhost:7233 has no namespace "default": create it, or give another with --namespace`},
		"Query":      {serviceerror.NewInvalidArgument("invalid query: syntax\nat line 1"), records.Malformed, "list: invalid query: syntax"},
		"Attributes": {serviceerror.NewInvalidArgument("'ParleyAgent' is not a valid search attribute"), records.Failed, "list: 'ParleyAgent' is not a valid search attribute: run `starter setup` once to register the search attributes"},
		"Denied":     {serviceerror.NewPermissionDenied("no", ""), records.Failed, "list: Temporal at localhost:7233 does not permit it: no"},
		"Canceled":   {context.Canceled, records.Failed, "list: interrupted"},
		"Long":       {errors.New(strings.Repeat("x", 1000)), records.Failed, "list: " + strings.Repeat("x", 299) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := new(recordstest.Server).NewReader().Explain("list", tt.err)
			require.EqualError(t, err, tt.text)
			require.Equal(t, tt.kind, records.KindOf(err))
			require.Same(t, err, new(recordstest.Server).NewReader().Explain("again", fmt.Errorf("wrapped: %w", err)))
		})
	}
	require.NoError(t, new(recordstest.Server).NewReader().Explain("list", nil))
	require.Empty(t, records.KindOf(nil))
	require.Equal(t, records.Failed, records.KindOf(errors.New("plain")))
}
