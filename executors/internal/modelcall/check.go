package modelcall

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-run/parley/conversation"
)

// checkTimeout bounds a check.
const checkTimeout = 3 * time.Second

// Check runs a check, which tests within three seconds whether the backend is
// reachable, and uses no tokens. The errors of failed get op, which names what was
// checked, and no usage.
func Check(ctx context.Context, op string, check func(context.Context) error, failed func(context.Context, error) *conversation.Error) error {
	late := fmt.Errorf("no answer within %v", checkTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, late)
	defer cancel()
	err := check(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), late):
		return &conversation.Error{Kind: conversation.Unavailable, Op: op, Err: late}
	}
	out := failed(ctx, err)
	out.Op, out.Usage = op, conversation.Usage{}
	return out
}
