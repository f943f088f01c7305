package activities

import (
	"context"
	"errors"
	"math"
	"time"

	"go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
)

// LongestRetryDelay is the longest delay asked for by the other side that is
// waited out between two attempts. If it asks for more the conversation parks, releases its
// capacity, and continues by itself at that time, unless an operator decides before.
const LongestRetryDelay = 5 * time.Minute

// temporalError is temporalErrorWith without details.
func temporalError(err error, spent conversation.Usage) error {
	return temporalErrorWith(err, ErrorDetails{Spent: spent}, false)
}

// temporalErrorWith is the only place where our errors become Temporal's. The type
// is the kind, so that the UI and the workflow see what it means.
// The message does not contain the remedy, which is in the details.
// details say more than the error does; last means that it is not retried.
func temporalErrorWith(err error, details ErrorDetails, last bool) error {
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
	text, remedy := conversation.Explain(err)
	details.Kind, details.Remedy = kind, clip(printable.Text(remedy))
	var e *conversation.Error
	if errors.As(err, &e) {
		details.RetryAfter = e.RetryAfter
		details.Ambiguous = e.Ambiguous
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
		opts.NonRetryable = opts.NonRetryable || last
	case conversation.Claimed, conversation.Ended, conversation.Refused:
		opts.NonRetryable = true
		opts.Category = temporal.ApplicationErrorCategoryBenign
	default:
		opts.NonRetryable = true
	}
	return temporal.NewApplicationErrorWithOptions(clip(printable.Text(text)), string(kind), opts)
}

// waitsUntil is when the step may be tried again after an error that asks for a wait too
// long to be one between two attempts. Zero: the error asks for none.
//
// A quota that is said to be renewed within minutes is one of which providers say so
// wrongly: some name the delay of their limit per minute. It waits for an operator, as one
// whose time is not known. The time of a day's budget is our own.
func waitsUntil(err error, now time.Time) time.Time {
	var e *conversation.Error
	if !errors.As(err, &e) || e.RetryAfter <= 0 {
		return time.Time{}
	}
	switch conversation.KindOf(err) {
	case conversation.BudgetSpent:
	case conversation.Unauthorized: // the key comes from a file, which may get another
	case conversation.RateLimited, conversation.Unavailable, conversation.QuotaExhausted:
		if e.RetryAfter <= LongestRetryDelay {
			return time.Time{}
		}
	default:
		return time.Time{}
	}
	return now.Add(e.RetryAfter).UTC()
}

// FailureText is the text and, in parentheses, the remedy of a pending activity's last
// failure.
func FailureText(dc converter.DataConverter, failed *failure.Failure) string {
	if failed == nil {
		return ""
	}
	failures := temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{DataConverter: dc})
	err := failures.FailureToError(failed)
	var app *temporal.ApplicationError
	if !errors.As(err, &app) {
		return err.Error()
	}
	var details ErrorDetails
	if app.HasDetails() && app.Details(&details) == nil && details.Remedy != "" {
		return app.Message() + " (" + details.Remedy + ")"
	}
	return app.Message()
}

// maxErrorText keeps failures well below what Temporal keeps of a failure while
// an activity is being retried, 4 KiB.
const maxErrorText = 2 << 10

func clip(s string) string { return printable.Clip(s, maxErrorText) }

// retryDelay is how long Temporal waits before the next attempt. Negative: there is
// none.
func retryDelay(failed error, info activity.Info) time.Duration {
	var app *temporal.ApplicationError
	if errors.As(failed, &app) && app.NonRetryable() {
		return -1
	}
	policy := info.RetryPolicy
	if policy == nil {
		// A task that was handed out together with the workflow's comes without it.
		policy = retries(0)
	}
	if policy.MaximumAttempts > 0 && info.Attempt >= policy.MaximumAttempts {
		return -1
	}
	if app != nil && app.NextRetryDelay() > 0 {
		return app.NextRetryDelay()
	}
	delay := float64(policy.InitialInterval) * math.Pow(max(policy.BackoffCoefficient, 1), float64(info.Attempt-1))
	if most := policy.MaximumInterval; most > 0 {
		delay = min(delay, float64(most))
	}
	return time.Duration(delay)
}
