package connect

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
)

// An update that a workflow was not ready for is sent again for two seconds. Nothing else is.
func TestSendAgain(t *testing.T) {
	t.Parallel()
	notReady := serviceerror.ToStatus(serviceerror.NewWorkflowNotReady("unexpected workflow task failure")).Err()
	update := &workflowservice.UpdateWorkflowExecutionRequest{}
	for name, tt := range map[string]struct {
		req    any
		errs   []error // then nil
		cancel time.Duration
		sent   int
		took   time.Duration
		fails  bool
	}{
		"accepted":          {req: update, sent: 1},
		"not ready once":    {req: update, errs: []error{notReady}, sent: 2, took: 64 * time.Millisecond},
		"not ready ever":    {req: update, errs: []error{notReady, notReady, notReady, notReady, notReady, notReady, notReady}, sent: 6, took: 31 * 64 * time.Millisecond, fails: true},
		"cancelled":         {req: update, errs: []error{notReady, notReady, notReady}, cancel: 100 * time.Millisecond, sent: 2, took: 100 * time.Millisecond, fails: true},
		"another failure":   {req: update, errs: []error{errors.New("down")}, sent: 1, fails: true},
		"then another":      {req: update, errs: []error{notReady, errors.New("down")}, sent: 2, took: 64 * time.Millisecond, fails: true},
		"another request":   {req: &workflowservice.QueryWorkflowRequest{}, errs: []error{notReady}, sent: 1, fails: true},
		"any other request": {req: &workflowservice.StartWorkflowExecutionRequest{}, sent: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tt.cancel > 0 {
					var stop context.CancelFunc
					ctx, stop = context.WithTimeout(ctx, tt.cancel)
					defer stop()
				}
				sent, begin := 0, time.Now()
				err := sendAgain(ctx, "", tt.req, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
					sent++
					if sent > len(tt.errs) {
						return nil
					}
					return tt.errs[sent-1]
				})
				require.Equal(t, tt.fails, err != nil, "%v", err)
				require.Equal(t, tt.sent, sent)
				require.Equal(t, tt.took, time.Since(begin))
			})
		})
	}
}
