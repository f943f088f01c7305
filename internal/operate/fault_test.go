package operate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/parley-run/parley/internal/operate"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		kind operate.FaultKind
		text string
	}{
		"Down":       {serviceerror.NewUnavailable("last connection error: …"), operate.Unreachable, "list: Temporal at localhost:7233 does not answer: check that it runs, and the address"},
		"Slow":       {fmt.Errorf("rpc: %w", context.DeadlineExceeded), operate.Unreachable, "list: Temporal at localhost:7233 did not answer in time"},
		"Namespace":  {serviceerror.NewNamespaceNotFound("default"), operate.Failed, `list: Temporal at localhost:7233 has no namespace "default": create it, or give another with --namespace`},
		"Query":      {serviceerror.NewInvalidArgument("invalid query: syntax\nat line 1"), operate.Malformed, "list: invalid query: syntax"},
		"Attributes": {serviceerror.NewInvalidArgument("'ParleyAgent' is not a valid search attribute"), operate.Failed, "list: 'ParleyAgent' is not a valid search attribute: run `starter setup` once to register the search attributes"},
		"Denied":     {serviceerror.NewPermissionDenied("no", ""), operate.Failed, "list: Temporal at localhost:7233 does not permit it: no"},
		"Canceled":   {context.Canceled, operate.Failed, "list: interrupted"},
		"Long":       {errors.New(strings.Repeat("x", 1000)), operate.Failed, "list: " + strings.Repeat("x", 299) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := newOperator(&server{}).Explain("list", tt.err)
			require.EqualError(t, err, tt.text)
			require.Equal(t, tt.kind, operate.KindOf(err))
			require.Same(t, err, newOperator(&server{}).Explain("again", fmt.Errorf("wrapped: %w", err)))
		})
	}
	require.NoError(t, newOperator(&server{}).Explain("list", nil))
	require.Empty(t, operate.KindOf(nil))
	require.Equal(t, operate.Failed, operate.KindOf(errors.New("plain")))
}
