package conversation

import "slices"

// A Record is what one recorded result adds to a [Transcript]. The workflow applies
// each record when the result arrives; a reader of the workflow's history applies the
// same records in the order of the history and gets the same transcript.
type Record struct {
	// Index is the index of Messages[0].
	Index int
	// Messages replace the messages at Index and after.
	Messages []Message
	// Turns is how many replies of the agent have been delivered so far.
	Turns int
	// Insert keeps the messages after those of the record: results of parallel tool
	// calls arrive in any order.
	Insert bool
	// Pending is a reply of the agent that is not delivered, or not yet. It is no part of
	// the transcript; its index would be the next.
	Pending *Message
	// Reread means that Messages come from the platform's transcript, which has no
	// messages between the agent and its tools. Earlier ones of that kind are removed.
	Reread bool
}

// An Indexed message is a message with its index in the conversation, counted from 0
// over all messages, those between the agent and its tools included.
type Indexed struct {
	Index   int
	Message Message
}

// A Transcript is built from records. Its zero value is the empty transcript of a new
// conversation. It may lack older messages: their indexes are missing from Messages.
type Transcript struct {
	// Messages are the known messages in the order of their indexes.
	Messages []Indexed
	// Next is the index of the next message: how many messages there are.
	Next int
	// Internal is how many of them are between the agent and its tools. The platform
	// holds the other Next - Internal.
	Internal int
	// Turns is how many replies of the agent have been delivered.
	Turns int
	// Pending is the agent's reply that is not delivered yet. Nil: there is none.
	Pending *Message
}

// Apply adds a record.
func (t *Transcript) Apply(r Record) {
	t.Turns, t.Pending = r.Turns, r.Pending
	if r.Reread {
		t.dropInternal()
	}
	if r.Insert {
		t.remove(r.Index, r.Index+len(r.Messages))
	} else {
		t.fillResults(r.Index)
		t.cut(r.Index)
	}
	for i, m := range r.Messages {
		t.insert(r.Index+i, m)
	}
	t.Next = max(t.Next, r.Index+len(r.Messages))
}

// AtLeast raises the counts to what the platform knows of: how many messages it holds,
// and how many of these are the agent's.
func (t *Transcript) AtLeast(count, turns int) {
	t.Next, t.Turns = max(t.Next, count+t.Internal), max(t.Turns, turns)
}

// Count is how many messages the platform holds.
func (t *Transcript) Count() int { return t.Next - t.Internal }

// Has reports whether the message with an index is known.
func (t *Transcript) Has(index int) bool {
	i := t.position(index)
	return i < len(t.Messages) && t.Messages[i].Index == index
}

// From returns the known messages from an index on.
func (t *Transcript) From(index int) []Indexed { return t.Messages[t.position(index):] }

// position is where the message with an index is, or would be, in Messages.
func (t *Transcript) position(index int) int {
	i, _ := slices.BinarySearchFunc(t.Messages, index, func(m Indexed, index int) int { return m.Index - index })
	return i
}

func (t *Transcript) insert(index int, m Message) {
	t.Messages = slices.Insert(t.Messages, t.position(index), Indexed{index, m})
	if m.Internal() {
		t.Internal++
	}
}

// UnrecordedResult stands, where a transcript is read from a history, for the result of a
// tool call that was interrupted: the workflow has one, and no event records it.
const UnrecordedResult = "no result is recorded: the call was interrupted"

// fillResults adds results for calls before an index that have none.
func (t *Transcript) fillResults(before int) {
	for i := len(t.Messages) - 1; i >= 0; i-- {
		at := t.Messages[i]
		if at.Message.Role == RoleTool {
			continue
		}
		for n, call := range at.Message.ToolCalls() {
			if index := at.Index + 1 + n; index < before && !t.Has(index) {
				t.insert(index, ToolResultMessage(ToolResult{CallID: call.ID, Content: UnrecordedResult, IsError: true}))
				t.Next = max(t.Next, index+1)
			}
		}
		return
	}
}

// cut removes the messages from an index on.
func (t *Transcript) cut(index int) {
	t.remove(index, t.Next)
	t.Next = index
}

func (t *Transcript) remove(from, to int) {
	first, last := t.position(from), t.position(to)
	for _, m := range t.Messages[first:last] {
		if m.Message.Internal() {
			t.Internal--
		}
	}
	t.Messages = slices.Delete(t.Messages, first, last)
}

// dropInternal removes the messages between the agent and its tools and gives the
// others the indexes that they have on the platform.
func (t *Transcript) dropInternal() {
	held := 0
	for _, m := range t.Messages {
		if m.Message.Internal() {
			held++
		}
	}
	before := t.Internal - held // internal messages that are not known, all of them older
	var kept []Indexed
	for _, m := range t.Messages {
		if m.Message.Internal() {
			before++
		} else {
			kept = append(kept, Indexed{m.Index - before, m.Message})
		}
	}
	t.Messages, t.Next, t.Internal = kept, t.Next-t.Internal, 0
}

// Tail returns the newest messages without a gap between them, and the index of the
// first.
func (t *Transcript) Tail() (first int, messages []Message) {
	first = t.Next
	for i := len(t.Messages) - 1; i >= 0 && t.Messages[i].Index == first-1; i-- {
		first--
	}
	for _, m := range t.From(first) {
		messages = append(messages, m.Message)
	}
	return first, messages
}
