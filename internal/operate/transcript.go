package operate

import (
	"maps"
	"slices"
	"time"

	"github.com/parley-run/parley/conversation"
)

// A Message is one message with its place in the conversation.
type Message struct {
	// Index counts over the whole conversation, from 0. A gap means that the
	// messages between are in no run that Temporal still keeps: the platform has
	// them.
	Index int                 `json:"index"`
	Role  conversation.Role   `json:"role"`
	Text  string              `json:"text,omitempty"`
	Parts []conversation.Part `json:"parts,omitempty"` // where it is more than text
	Time  time.Time           `json:"time,omitzero"`
	// Unsent marks a reply that is not known to have reached the platform.
	Unsent bool `json:"unsent,omitempty"`
}

func newMessage(index int, m conversation.Message) Message {
	out := Message{Index: index, Role: m.Role, Text: m.Text(), Time: m.Time}
	plain := func(p conversation.Part) bool { return p.Type == conversation.PartText }
	if len(m.Parts) > 1 || !slices.ContainsFunc(m.Parts, plain) {
		out.Parts = m.Parts
	}
	return out
}

// A transcript puts messages from several places together by their index. Its
// zero value is empty.
type transcript struct {
	at map[int]conversation.Message
}

// endAt adds messages of which the last has the index count-1.
func (t *transcript) endAt(count int, messages ...conversation.Message) {
	t.startAt(count-len(messages), messages...)
}

// startAt adds messages of which the first has the index first. What is there
// already stays: runs hold copies of the same message.
func (t *transcript) startAt(first int, messages ...conversation.Message) {
	if t.at == nil {
		t.at = make(map[int]conversation.Message)
	}
	for i, m := range messages {
		if _, have := t.at[first+i]; !have && first+i >= 0 {
			t.at[first+i] = m
		}
	}
}

// cut takes away the messages from an index on.
func (t *transcript) cut(index int) {
	maps.DeleteFunc(t.at, func(i int, _ conversation.Message) bool { return i >= index })
}

// dropInternal takes away the messages between the agent and its tools, and numbers the
// others as the platform does. internal is how many of them there were in all, those
// that are not here included.
func (t *transcript) dropInternal(internal int) {
	held := 0
	for _, m := range t.at {
		if m.Internal() {
			held++
		}
	}
	before := max(0, internal-held)
	kept := make(map[int]conversation.Message, len(t.at))
	for _, i := range slices.Sorted(maps.Keys(t.at)) {
		if t.at[i].Internal() {
			before++
		} else if i >= before {
			kept[i-before] = t.at[i]
		}
	}
	t.at = kept
}

func (t *transcript) add(other transcript) {
	for i, m := range other.at {
		t.startAt(i, m)
	}
}

// first is the lowest index from which on nothing is missing, next the index
// after the last message.
func (t *transcript) first() int {
	i := t.next()
	for {
		if _, have := t.at[i-1]; !have {
			return i
		}
		i--
	}
}

func (t *transcript) next() int {
	next := 0
	for i := range t.at {
		next = max(next, i+1)
	}
	return next
}

// from lists the messages from an index on, in order.
func (t *transcript) from(index int) []Message {
	out := []Message{}
	for _, i := range slices.Sorted(maps.Keys(t.at)) {
		if i >= index {
			out = append(out, newMessage(i, t.at[i]))
		}
	}
	return out
}
