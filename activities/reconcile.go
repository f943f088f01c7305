package activities

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/platforms"
)

// A finding is what the transcript shows of an earlier request.
type finding struct {
	// done: it took effect, or never will; result says how.
	done   bool
	result ExchangeResult
	// taken: our messages are there, but no answer to them.
	taken bool
}

// How often the transcript is read while an earlier request may still be running: at
// first each second, later less often.
const (
	firstRead  = time.Second
	slowestGap = 10 * time.Second
)

// reconcile reads the transcript until it shows the effect of an earlier request.
// Without an error the caller may take the result, if it is done, or send.
func (e *exchanging) reconcile(ctx context.Context) (finding, error) {
	begin := time.Now()
	for {
		found, err := e.read(ctx)
		switch {
		case err != nil || found.done:
			return found, err
		case e.in.ReadOnly && e.in.Prove && !found.taken:
			return finding{done: true, result: ExchangeResult{Absent: true, Count: e.in.Before}}, nil
		case e.in.ReadOnly:
			return finding{}, e.ambiguous()
		case e.mark.Answered || e.on.Settle == 0:
			return found, nil // it is over, and has had no effect
		case e.mayResend():
			return found, nil
		}
		left := e.patience()
		switch {
		case left <= 0 && e.in.OnAmbiguous == conversation.ResendAmbiguous:
			return found, nil
		case left <= 0:
			return finding{}, e.ambiguous()
		case left > timeLeft(e.info):
			if err := e.waitFor(ctx, begin, timeLeft(e.info)); err != nil {
				return finding{}, err
			}
			if timeLeft(e.info) <= 0 {
				return finding{}, errNeedsTime
			}
			continue
		}
		if err := e.waitFor(ctx, begin, left); err != nil {
			return finding{}, err
		}
	}
}

// waitFor waits until the transcript is worth reading again, at most for left.
func (e *exchanging) waitFor(ctx context.Context, begin time.Time, left time.Duration) error {
	e.waited = true
	gap := min(max(firstRead, time.Since(begin)/10), slowestGap)
	return pause(ctx, min(gap, left))
}

// mayResend reports whether an operator wants it sent once more, and it has not been since.
func (e *exchanging) mayResend() bool {
	return e.in.Resend && (e.in.Tried == nil || e.mark.Sends <= e.in.Tried.Sends)
}

// patience is how much longer an ambiguous request is reconciled. It is over when the
// longest of three times has passed since the request was last known to be running:
// the platform's settle, twice the slowest answer of this conversation, and twice the
// time that the request had taken by then. Each further request doubles it. It is at
// most the exchange's timeout after the request began.
func (e *exchanging) patience() time.Duration {
	m := e.mark
	running := m.Time
	for _, t := range []time.Time{m.Cut, m.Running} {
		if t.After(running) {
			running = t
		}
	}
	wait := max(e.on.Settle, 2*max(e.in.Slowest, m.Slowest), 2*running.Sub(m.Time))
	most := e.in.Timeout
	if most <= 0 {
		most = conversation.DefaultExchangeTimeout
	}
	for i := 1; i < m.Sends && wait < most; i++ {
		wait *= 2
	}
	return min(e.clock.until(running, wait), e.clock.until(m.Time, most))
}

// ambiguous is the error for a request whose effect is not known.
func (e *exchanging) ambiguous() error {
	what, m := "the agent's message", e.mark
	if len(e.in.Messages) == 0 {
		what = "the request for the other side to speak"
	}
	reason := fmt.Sprintf("%s was sent, and the transcript has not shown it so far", what)
	if m != nil && !m.Time.IsZero() {
		was := "was sent"
		if m.Ticket != "" {
			was = "was about to be sent"
		}
		reason = fmt.Sprintf("%s %s at %s", what, was, m.Time.UTC().Format("2006-01-02 15:04:05 UTC"))
		if m.Sends > 1 {
			reason += fmt.Sprintf(", for the %s time", ordinal(m.Sends))
		}
		if !m.Cut.IsZero() {
			reason += fmt.Sprintf("; its answer was cut off after %s", m.Cut.Sub(m.Time).Round(time.Second))
		} else {
			reason += "; the worker was lost before the answer"
		}
		reason += fmt.Sprintf("; the transcript has not shown it within %s", e.clock.now().Sub(m.Time).Round(time.Second))
	}
	return &conversation.Error{
		Kind: conversation.Ambiguous, Op: fmt.Sprintf("exchange with %s", e.in.Ref),
		Err:       fmt.Errorf("%s: it may still be answered", reason),
		Remedy:    "wait: the conversation continues by itself when the transcript shows it; starter resume sends it again; starter end ends the conversation",
		Ambiguous: true,
	}
}

func ordinal(n int) string {
	switch {
	case n%100 >= 11 && n%100 <= 13:
	case n%10 == 1:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}

// read reads the transcript once.
func (e *exchanging) read(ctx context.Context) (finding, error) {
	transcript, err := e.on.Transcript(ctx, e.in.Ref)
	if err != nil {
		return finding{}, err
	}
	return e.compare(transcript)
}

// compare holds what the platform has against what the exchange would add.
func (e *exchanging) compare(transcript platforms.Transcript) (finding, error) {
	in, ended := e.in, transcript.State == platforms.StateEnded
	if len(transcript.Messages) < in.Before {
		return finding{}, e.shorter(len(transcript.Messages))
	}
	grown := transcript.Messages[in.Before:]
	result := ExchangeResult{
		Count:     len(transcript.Messages),
		Ended:     ended,
		EndedBy:   transcript.EndedBy,
		EndDetail: clip(transcript.EndDetail),
	}
	if len(grown) == 0 {
		return finding{done: ended, result: result}, nil
	}
	if diff := differs(in.Before, in.Messages, grown); diff != "" {
		return finding{}, e.diverged(diff)
	}
	result.Taken = len(in.Messages)
	result.Messages = grown[len(in.Messages):]
	if len(result.Messages) == 0 && !ended {
		return finding{taken: true}, nil
	}
	return finding{done: true, result: result}, nil
}

// differs is where the messages that the platform has added are not ours followed by the
// other side's. Empty: nowhere.
func differs(before int, ours, grown []conversation.Message) string {
	for i, m := range ours {
		switch {
		case i >= len(grown):
			return fmt.Sprintf("message %d is missing: expected %s", before+i+1, quoted(m))
		case grown[i].Role != m.Role || plain(grown[i]) != plain(m):
			return fmt.Sprintf("message %d is %s, expected %s", before+i+1, quoted(grown[i]), quoted(m))
		}
	}
	for i, m := range grown[len(ours):] {
		if m.Role == conversation.RoleAssistant {
			return fmt.Sprintf("message %d is %s, expected a message of the other side", before+len(ours)+i+1, quoted(m))
		}
	}
	return ""
}

// plain is a message's text as it is compared: platforms may change white space.
func plain(m conversation.Message) string { return strings.Join(strings.Fields(m.PlainText()), " ") }

const quotedBytes = 120

func quoted(m conversation.Message) string {
	return fmt.Sprintf("%s %q", m.Role, printable.Clip(plain(m), quotedBytes))
}

// spoken reports whether the platform has messages of this workflow, or may have.
func (e *exchanging) spoken() bool { return e.in.Spoken || e.mark != nil }

// diverged is the error where another client, or a gateway, has written into the
// conversation. Before this workflow has sent anything the claim was another worker's.
func (e *exchanging) diverged(diff string) error {
	err := &conversation.Error{
		Kind: conversation.Claimed, Op: fmt.Sprintf("exchange with %s", e.in.Ref),
		Err:    fmt.Errorf("another worker speaks for the agent: %s", diff),
		Remedy: "find the other worker on the same agent",
	}
	if e.spoken() {
		err.Kind = conversation.Diverged
		err.Err = fmt.Errorf("the platform's transcript differs: %s", diff)
		err.Remedy = divergedRemedy
	}
	return err
}

const divergedRemedy = "find the other worker on the same agent, or the gateway that repeats requests; starter end ends the conversation"

// shortReads is how often a transcript may be shorter than before: a replica lags, a
// server restarts. About half a minute, with the backoff of the retries.
const shortReads = 6

func (e *exchanging) shorter(n int) error {
	err := &conversation.Error{
		Kind: conversation.Unavailable, Op: fmt.Sprintf("exchange with %s", e.in.Ref),
		Err: fmt.Errorf("the platform holds %d messages, but held %d before", n, e.in.Before),
	}
	if e.info.Attempt >= shortReads {
		err.Kind = conversation.Diverged
		err.Remedy = "find out whether the platform was restored from an older state; starter end ends the conversation"
	}
	return err
}

// How large a transcript may be to be read again after each exchange, in messages. It
// keeps the cost of a turn the same in long conversations.
const (
	verifiedMessages = 200
	verifyTimeout    = 10 * time.Second
)

// echoed is where what the platform says that it took is not what was sent.
func (e *exchanging) echoed(sent []conversation.Message, reply platforms.Reply) string {
	if reply.Echo == nil {
		return ""
	}
	diff := differs(e.in.Before, sent, reply.Echo)
	if diff == "" && len(reply.Echo) > len(sent) {
		diff = fmt.Sprintf("it took %d messages of the agent, expected %d", len(reply.Echo), len(sent))
	}
	return diff
}

// verify compares what a success brought with the platform's transcript: something
// between may have delivered the request twice. It returns nil if nothing is wrong, or
// cannot be found out. The result counts in any case; its Count becomes the platform's.
func (e *exchanging) verify(ctx context.Context, diff string, out *ExchangeResult) *Finding {
	var transcript platforms.Transcript
	if out.Count <= verifiedMessages {
		ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
		defer cancel()
		transcript, _ = e.on.Transcript(ctx, e.in.Ref)
	}
	if len(transcript.Messages) < out.Count { // not read, or by a replica that lags
		return e.differs(diff)
	}
	added := transcript.Messages[e.in.Before:]
	if diff == "" {
		diff = differs(e.in.Before, e.in.Messages, added)
	}
	if extra := len(transcript.Messages) - out.Count; diff == "" && extra > 0 {
		diff = fmt.Sprintf("it has %d messages, expected %d", len(transcript.Messages), out.Count)
	}
	out.Count = len(transcript.Messages)
	return e.differs(diff)
}

// differs is a difference as a finding. Empty: there is none.
func (a *attempt) differs(diff string) *Finding {
	if diff == "" {
		return nil
	}
	activity.GetLogger(a.sdk).Warn("The platform's transcript differs", "conversation_id", a.info.WorkflowExecution.ID)
	return &Finding{Kind: conversation.Diverged, Reason: clip("the platform's transcript differs: " + diff), Remedy: divergedRemedy}
}
