package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
)

// LongestRetryDelay is the longest delay asked for by the other side that is
// waited out. One that asks for more is not busy but closed: the conversation
// parks, and a person decides.
const LongestRetryDelay = 5 * time.Minute

// temporalError is the only place where our errors become Temporal's. The type
// is the kind, so that the UI and the workflow see what it means.
func temporalError(err error, spent conversation.Usage) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		var e *conversation.Error
		if !errors.As(err, &e) {
			return err
		}
	}
	kind := conversation.KindOf(err)
	details := ErrorDetails{Kind: kind, Spent: spent}
	var e *conversation.Error
	if errors.As(err, &e) {
		details.Remedy = clip(printable.Text(e.Remedy))
		details.RetryAfter = e.RetryAfter
		details.MayHaveLanded = e.MayHaveLanded
	}
	opts := temporal.ApplicationErrorOptions{Details: []any{details}}
	switch kind {
	case conversation.RateLimited, conversation.Unavailable:
		// Expected now and then: it must not raise an alarm by itself.
		opts.Category = temporal.ApplicationErrorCategoryBenign
		if details.RetryAfter > LongestRetryDelay {
			opts.NonRetryable = true
		} else {
			// A lower bound: Temporal waits this long instead of the policy's backoff.
			opts.NextRetryDelay = details.RetryAfter
		}
	case conversation.Claimed, conversation.Ended, conversation.Refused:
		opts.NonRetryable = true
		opts.Category = temporal.ApplicationErrorCategoryBenign
	default:
		opts.NonRetryable = true
	}
	return temporal.NewApplicationErrorWithOptions(clip(printable.Text(err.Error())), string(kind), opts)
}

// maxErrorText keeps failures well below what Temporal keeps of a failure while
// an activity is being retried, 4 KiB.
const maxErrorText = 2 << 10

func clip(s string) string {
	if len(s) <= maxErrorText {
		return s
	}
	cut := maxErrorText
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut] + " …"
}
