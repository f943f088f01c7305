// Package platforms is the seam to where conversations come from and whom the
// agent talks to. Each platform is a package below this one; package
// platformtest holds the suite that every platform passes.
//
// Platforms do what they are told once and report what they know. They do not
// retry, wait or keep state: Temporal does.
package platforms

import (
	"context"
	"time"

	"github.com/parley-run/parley/conversation"
)

// A Platform talks to one platform instance on behalf of one agent. All methods
// are safe for concurrent use, return promptly once ctx is done, never retry,
// and report failures as [conversation.Error] with the kind that fits.
//
// Only an answer in the platform's own shape is final. A proxy's page, a redirect,
// another shape, an empty answer and an answer that is too long are Unavailable,
// whatever status they come with; a write that met one may have landed. Nothing is
// written for an attempt that has lost its right to act.
type Platform interface {
	// Claim takes a waiting conversation for this worker. Kind Claimed means that
	// another worker has it or that it is not waiting any more. After any other
	// error whose Ambiguous is set the claim may be ours all the same.
	Claim(ctx context.Context, ref conversation.Ref) error

	// Context tells what the platform knows about the conversation apart from
	// its messages.
	Context(ctx context.Context, ref conversation.Ref) (conversation.Context, error)

	// Transcript reads the whole conversation as the platform holds it.
	Transcript(ctx context.Context, ref conversation.Ref) (Transcript, error)

	// Send gives the agent's messages to the platform and waits for what comes
	// back. No messages means that the other side speaks. It is not idempotent:
	// after an error whose Ambiguous is set, read the Transcript before
	// sending again. Kind Ended means the conversation was over before. Messages
	// has only the other side's messages.
	Send(ctx context.Context, ref conversation.Ref, in Send) (Reply, error)

	// End closes the conversation from the agent's side. Ending one that has
	// ended already succeeds.
	End(ctx context.Context, ref conversation.Ref) error

	// Check finds out cheaply whether the platform can be worked with: address,
	// key, and the project and agent named (either may be empty). It reports
	// every fault found, joined, each with its remedy.
	Check(ctx context.Context, project, agent string) error
}

// Send is the agent's side of one exchange.
type Send struct {
	Messages []conversation.Message
	// IdempotencyKey is the same for every attempt to send this. Platforms that
	// take such a key get it.
	IdempotencyKey string
}

// Reply is what came back for a Send.
type Reply struct {
	// Messages are the other side's: usually one. They can come together with
	// Ended, as last words.
	Messages []conversation.Message
	// Ended means that the platform has closed the conversation: End must not be
	// called.
	Ended bool
	// Echo is what the platform says it stored as the agent's for this Send. Where it
	// is not Send.Messages, something between us and the platform changed, doubled or
	// lost one. Nil: the platform does not say.
	Echo []conversation.Message
}

// State is where a conversation stands on its platform.
type State string

// The states. Platforms translate their own; what they do not know becomes
// StateUnknown.
const (
	StateWaiting State = "waiting" // nobody has claimed it
	StateOpen    State = "open"    // claimed, going on
	StateEnded   State = "ended"
	StateUnknown State = "unknown"
)

// Transcript is a conversation as the platform holds it.
type Transcript struct {
	// Messages of both sides, oldest first.
	Messages []conversation.Message
	State    State
	// EndedBy and EndDetail say why, once State is StateEnded. Empty: not known.
	EndedBy   conversation.EndedBy
	EndDetail string
}

// A Source is a platform that can be asked for work. It is an optional power of
// a Platform, found by assertion.
type Source interface {
	// Assigned lists every waiting conversation of the agent, in any order. A row or
	// simulation that cannot be read is left out and reported as a [RowError], all of
	// them joined. Any other error is about the platform as a whole; what could be
	// listed comes with it all the same.
	Assigned(ctx context.Context, project, agent string) ([]Assignment, error)
	// Open lists every conversation of the agent that somebody has claimed and
	// that has not ended, with the time of its newest sign of life. Errors are as
	// for Assigned.
	Open(ctx context.Context, project, agent string) ([]Assignment, error)
}

// A Hinted is a Source that knows when it is worth asking again. It is an optional
// power, found by assertion.
type Hinted interface {
	// Next is when there will be something, as far as is known. Zero: unknown.
	Next() time.Time
}

// An Advised is a Source that can see that something is amiss which is no failure of
// its own. It is an optional power, found by assertion.
type Advised interface {
	// Advice are sentences for the operator, each with what to do. One stays the same
	// for as long as it holds. It makes no request.
	Advice() []string
}

// An Assignment is one conversation that a Source lists.
type Assignment struct {
	Ref conversation.Ref `json:"ref"`
	// Created is when the platform made the conversation.
	Created time.Time `json:"created"`
	// Touched is the newest message's time, or the time of the last change the
	// platform knows. Only Open fills it.
	Touched time.Time `json:"touched,omitzero"`
	// Persona is a few words about the other side, for people.
	Persona string `json:"persona,omitempty"`
}

// An Instance is one configured platform, as the worker holds it.
type Instance struct {
	// Name is what conversation.Ref.Platform says.
	Name     string
	Platform Platform
	// Settle is how long after a Send whose answer was lost the platform may
	// still commit it. An earlier Send is repeated only after this time, and only
	// if the transcript has not grown. Zero: Send is committed, or not, by the
	// time its connection is gone.
	Settle time.Duration
	// SendTimeout is how long a Send may take. Zero: not known.
	SendTimeout time.Duration
	// MaxOpen is how many conversations may be open on the instance at once, over
	// all agents and workers. Zero or less: no limit.
	MaxOpen int
	// Keyed means that the platform keeps no transcript, and that a Send may be
	// repeated with the same key: the other side gives the answer it gave.
	Keyed bool
}

// A Listener is a platform that wants to be told what happens to conversations. It
// is an optional power, found by assertion. It may be told an event again.
type Listener interface {
	Notify(ctx context.Context, event conversation.Event) error
}
