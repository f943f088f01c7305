package records

import (
	"slices"
	"time"

	"github.com/parley-run/parley/conversation"
)

// A Message is one message with its place in the conversation.
type Message struct {
	// Index counts all messages of the conversation, from 0. Where an index is missing,
	// the message is in no run that Temporal keeps: the platform has it.
	Index int                 `json:"index"`
	Role  conversation.Role   `json:"role"`
	Text  string              `json:"text,omitempty"`
	Parts []conversation.Part `json:"parts,omitempty"` // where it is more than text
	Time  time.Time           `json:"time,omitzero"`
	// CutOff marks a reply that its model did not complete: it stopped at its limit of
	// length.
	CutOff bool `json:"cut_off,omitempty"`
	// Cleaned counts the characters that were taken out because platforms cannot store them.
	Cleaned int `json:"cleaned,omitempty"`
	// ProviderStateBytes is the size of what the provider returned beside a message with
	// tool calls.
	ProviderStateBytes int `json:"provider_state_bytes,omitempty"`
	// Unsent marks a reply that is not known to have reached the platform.
	Unsent bool `json:"unsent,omitempty"`
}

func newMessage(index int, m conversation.Message) Message {
	out := Message{Index: index, Role: m.Role, Text: m.Text(), Time: m.Time, CutOff: m.CutOff, Cleaned: m.Cleaned, ProviderStateBytes: m.State.Size()}
	plain := func(p conversation.Part) bool { return p.Type == conversation.PartText }
	if len(m.Parts) > 1 || !slices.ContainsFunc(m.Parts, plain) {
		out.Parts = m.Parts
	}
	return out
}

// newMessages are the messages from an index on.
func newMessages(t conversation.Transcript, from int) []Message {
	out := []Message{}
	for _, m := range t.From(from) {
		out = append(out, newMessage(m.Index, m.Message))
	}
	return out
}

// recorded is all that the runs of a chain, the newest first, say of the transcript.
func recorded(runs []runRecord) conversation.Transcript {
	t := runs[len(runs)-1].input.Transcript()
	for _, run := range slices.Backward(runs) {
		for _, r := range run.records {
			t.Apply(r)
		}
		t.AtLeast(run.ended.Count, run.ended.Turns)
	}
	return t
}
