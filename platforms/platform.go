// Package platforms is the seam to the systems that conversations and tasks come
// from. Each platform is a package below this one; package platformtest holds the
// suites that every platform passes.
//
// # What a platform implements
//
// A platform implements [Platform], the base, and exactly one of three interfaces:
//
//   - [Conversations]: the agent talks to another side in turns. The platform keeps the
//     transcript, and each conversation is claimed before it begins.
//   - [Tasks]: there is one thing to do. A task is claimed, done and reported.
//   - [Transport]: each message of the agent is answered, once per key. There is no
//     claim, no transcript and no end.
//
// [ShapeOf] says which of them a value is. What only some platforms can do is another
// interface: [Source], [Hinted], [Advised], [Listener], [Receiver], and [io.Closer].
// These are found with [As], never by a type assertion: a platform may be wrapped.
//
// # What every method keeps
//
// All methods are safe for concurrent use, return promptly once ctx is done, do not
// retry, wait or keep state, and report failures as [conversation.Error] with the kind
// that fits. Temporal retries and keeps the state.
//
// Only an answer in the platform's own shape is final. A proxy's page, a redirect,
// another shape, an empty answer and an answer that is too long are Unavailable,
// whatever status they come with; a write that met one may have taken effect
// (Ambiguous). Nothing is written for an attempt that has lost its right to act.
package platforms

import (
	"context"
	"time"
)

// Platform is what every platform implements: the base of [Conversations], [Tasks] and
// [Transport].
type Platform interface {
	// Check finds out cheaply whether the platform can be used: address,
	// key, and the project and agent named (either may be empty). It reports
	// every fault found, joined, each with its remedy.
	Check(ctx context.Context, project, agent string) error
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
	// FixedMaxOpen keeps MaxOpen as it is when calls are [Overloaded]. Otherwise fewer
	// conversations may be open for a time.
	FixedMaxOpen bool
}
