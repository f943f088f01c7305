package activities

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/tools"
)

// heartbeatTimeout is how long a dead worker goes unnoticed. Heartbeats go out each third
// of it; with less a busy machine would count as dead.
const heartbeatTimeout = 15 * time.Second

// HeartbeatTimeout is what an activity's heartbeat timeout has to be where Temporal
// takes lag to acknowledge a heartbeat: a slow server is not a dead worker.
func HeartbeatTimeout(configured, lag time.Duration) time.Duration {
	return max(configured, min(6*lag, maxHeartbeatTimeout))
}

const maxHeartbeatTimeout = 2 * time.Minute

// None of the options has a schedule-to-close timeout: time without any worker is
// no failure of the conversation, and must not use up its attempts.

// retries spaces attempts from 1 to 30 seconds apart: the first retry is quick, for a short
// interruption; the later ones spare a service in trouble.
func retries(attempts int) *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:    time.Second,
		BackoffCoefficient: 2,
		MaximumInterval:    30 * time.Second,
		MaximumAttempts:    int32(attempts),
	}
}

// ClaimOptions leave time to reconcile an ambiguous claim. A cancelled claim is waited
// for: what has been claimed must be ended or reported.
func ClaimOptions(p conversation.Policy) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: p.ExchangeTimeout,
		HeartbeatTimeout:    heartbeatTimeout,
		WaitForCancellation: true,
		RetryPolicy:         retries(p.PlatformAttempts),
	}
}

// ContextOptions allow for a few reads.
func ContextOptions(p conversation.Policy) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: 2 * time.Minute,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy:         retries(p.PlatformAttempts),
	}
}

// ReplyOptions give a model time to think. A cancelled reply is not waited for:
// it is not needed any more.
func ReplyOptions(p conversation.Policy) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: p.ReplyTimeout,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy:         retries(p.ReplyAttempts),
	}
}

// ExchangeOptions give a persona's model time to answer, and as much again to
// reconcile an earlier request. A cancelled exchange is waited for, because what is
// done next depends on whether the message was received.
func ExchangeOptions(p conversation.Policy) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: p.ExchangeTimeout,
		HeartbeatTimeout:    heartbeatTimeout,
		WaitForCancellation: true,
		RetryPolicy:         retries(p.PlatformAttempts),
	}
}

// ToolOptions give a tool the time that its set's rules allow, and a little more to
// report a timeout.
func ToolOptions(p conversation.Policy, call PlannedCall) workflow.ActivityOptions {
	timeout := call.Timeout
	if timeout <= 0 {
		timeout = tools.DefaultTimeout
	}
	return workflow.ActivityOptions{
		StartToCloseTimeout: timeout + 15*time.Second,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy:         retries(p.ToolAttempts),
	}
}

// EndOptions allow for a few calls.
func EndOptions(p conversation.Policy) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: 2 * time.Minute,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy:         retries(p.PlatformAttempts),
	}
}

// ReportOptions retry for about a day, whatever the policy's attempts: a task that is not
// acknowledged stays claimed for ever, and a recurring one never runs again. They are for
// FindClaim too.
func ReportOptions() workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: 2 * time.Minute,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    time.Second,
			BackoffCoefficient: 2,
			MaximumInterval:    time.Minute,
			MaximumAttempts:    24 * 60,
		},
	}
}

// ProbeOptions are for a Poll that only asks once.
func ProbeOptions() workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: 2 * time.Minute,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy:         retries(3),
	}
}

// PollOptions let a poll run for long and be moved to another worker in seconds.
// Its tries are unlimited: an inbox has nothing better to do.
func PollOptions(in PollInput) workflow.ActivityOptions {
	pollFor := in.Settings.PollFor
	if pollFor <= 0 {
		pollFor = defaultPollFor
	}
	return workflow.ActivityOptions{
		StartToCloseTimeout: pollFor + 10*time.Minute,
		HeartbeatTimeout:    10 * time.Second,
		WaitForCancellation: true,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    time.Second,
			BackoffCoefficient: 2,
			MaximumInterval:    10 * time.Second,
		},
	}
}
