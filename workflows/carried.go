package workflows

import (
	"encoding/json"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/spending"
)

// Carried is the state of a Conversation that goes along when it continues as
// new. Fields are only ever added.
type Carried struct {
	Context conversation.Context `json:"context"`
	Started time.Time            `json:"started"`
	Turn    int                  `json:"turn"`
	Count   int                  `json:"count"` // messages that the other side has
	// Internal counts the messages between the agent and its tools.
	Internal int                    `json:"internal,omitempty"`
	Messages []conversation.Message `json:"messages,omitempty"`
	// Digest is that of the messages the executor has seen.
	Digest string `json:"digest,omitempty"`
	// New is how many of Messages, at the end, the executor has not seen.
	New      int             `json:"new,omitempty"`
	State    json.RawMessage `json:"state,omitempty"`
	Executor string          `json:"executor,omitempty"`
	Model    string          `json:"model,omitempty"`
	// Executors and Models are those that have replied, for the search attributes.
	Executors []string `json:"executors,omitempty"`
	Models    []string `json:"models,omitempty"`
	// LimitBytes is how much of the conversation has fitted the executor's model, after
	// more had not. Zero: all has.
	LimitBytes int                `json:"limit_bytes,omitempty"`
	Usage      conversation.Usage `json:"usage,omitzero"`
	// Allowed was spent before an operator resumed in spite of the budget.
	Allowed  spending.Amount  `json:"allowed,omitzero"`
	Paused   *Attention       `json:"paused,omitempty"`
	Takeover *TakeoverRequest `json:"takeover,omitempty"`
	End      *EndRequest      `json:"end,omitempty"`
	// Answered are the newest messages of a direct conversation that have been
	// answered.
	Answered []answer `json:"answered,omitempty"`
	// Run is the run that the state was built in. It is not the run before this one where
	// that was reset and did nothing since but continue as new.
	Run string `json:"run,omitempty"`
	// Events is how many events there have been.
	Events int `json:"events,omitempty"`
	// Unverified is how many of the platform's newest messages have not been compared with
	// its transcript.
	Unverified int `json:"unverified,omitempty"`
	// Slowest is the longest that an answer of the other side has taken, Lag how slowly
	// Temporal acknowledges heartbeats.
	Slowest time.Duration `json:"slowest_ns,omitempty"`
	Lag     time.Duration `json:"lag_ns,omitempty"`
	// Eager means that Temporal gave the newest exchange to the worker that scheduled it.
	Eager bool `json:"eager,omitempty"`
}

// nextInput is the input of the next run: what this one knows is in Carried, and need not
// stand in it a second time. It fits into one payload.
func (r *run) nextInput() ConversationInput {
	in := r.in
	if in.Start != nil {
		in.Start = &Start{} // not nil: it says that the conversation has one
	}
	in.Edition, in.Carried = Edition, r.carried()
	c := in.Carried
	other := recordedSize(in)
	if other > maxNextInput/2 {
		// The history of this run has the replies for clients that ask again.
		c.Answered = slices.Clone(c.Answered)
		for i := range c.Answered {
			c.Answered[i].Reply = nil
		}
		other = recordedSize(in)
	}
	c.Messages = r.transcript.newest(min(r.policy.CarryBytes, max(0, maxNextInput-other)), maxInput-other)
	if left := len(r.transcript.new()) - len(c.Messages); left > 0 {
		// The executor is given all that is left, and not only what is new.
		_, c.Digest = r.transcript.newWithin(maxInput - other)
		c.New, c.State = len(c.Messages), nil
	}
	return in
}

// carried is what the next run needs, without the messages.
func (r *run) carried() *Carried {
	c := &Carried{
		Context: r.about, Started: r.started,
		Turn: r.transcript.Turns, Count: r.transcript.Count(), Internal: r.transcript.Internal,
		Digest: r.transcript.digest, New: r.transcript.unseen, Unverified: r.transcript.unverified,
		State: r.agent.state, Executor: r.agent.executor, Model: r.agent.model, LimitBytes: r.agent.limit,
		Executors: r.replied.executors, Models: r.replied.models,
		Usage: r.usage.total, Allowed: r.usage.allowed,
		Paused: r.wishes.paused, Takeover: r.wishes.takeover, End: r.wishes.end,
		Run: r.resets.run, Events: r.events.number, Lag: r.steps.lag,
	}
	r.side.carry(c)
	r.transcript.dropState()
	return c
}

// restore applies the state of the previous run.
func (r *run) restore(ctx workflow.Context, c Carried) {
	r.claim.held, r.state = true, StateTalking
	r.about, r.started = c.Context, c.Started
	r.transcript = transcript{Transcript: r.in.Transcript(), unseen: c.New, digest: c.Digest, unverified: c.Unverified}
	r.agent = agent{executor: c.Executor, model: c.Model, state: c.State, limit: c.LimitBytes}
	r.replied = replied{executors: c.Executors, models: c.Models}
	r.usage = usage{total: c.Usage, allowed: c.Allowed}
	r.wishes = wishes{paused: c.Paused, takeover: c.Takeover, end: c.End}
	r.events.number, r.steps.lag = c.Events, c.Lag
	if before := workflow.GetInfo(ctx).ContinuedExecutionRunID; before != "" && c.Run != "" && c.Run != before {
		r.resets.stale = &stale{run: r.resets.run}
	}
}

// CarriedInbox is the state of an Inbox that goes along when it continues as new.
type CarriedInbox struct {
	Started   int        `json:"started,omitempty"`
	Adopted   int        `json:"adopted,omitempty"`
	Served    []string   `json:"served,omitempty"`
	State     InboxState `json:"state,omitempty"`
	Attention *Attention `json:"attention,omitempty"`
	// Outages are those that last, and Recovered those that ended a short time ago.
	Outages   []Outage `json:"outages,omitempty"`
	Recovered []Outage `json:"recovered,omitempty"`
}
