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

// Check runs a check, which finds out without spending tokens whether somebody
// could be asked, within three seconds. What failed makes of its errors gets op,
// which says what was checked, and costs nothing.
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
