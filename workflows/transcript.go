package workflows

import (
	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// maxQueryBytes bounds one answer to the transcript query, as JSON: in one payload
// fit 2 MiB, and a single message may be as large as half of that.
const maxQueryBytes = 1 << 20

// transcript is the conversation so far: the fold of its records, of which a run holds the
// newest messages only, and what the executor knows of it. It changes by its methods alone,
// so that the numbers of turns and the keys made of them never depend on what is held.
type transcript struct {
	conversation.Transcript
	// outgoing means that a message of the agent is on its way to the other side: it counts
	// as a turn unless it turns out not to arrive.
	outgoing bool
	// unseen is how many messages, at the end, the executor has not been given yet, and
	// digest the activities.Digest of all before them.
	unseen int
	digest string
	// unverified is how many of the platform's newest messages have not been compared with
	// its transcript yet.
	unverified int
}

// replace records a conversation as the other side holds it. The executor has seen none
// of it.
func (t *transcript) replace(r conversation.Record) {
	t.Apply(r)
	t.unseen, t.digest, t.outgoing, t.unverified = len(r.Messages), "", false, 0
}

// turn is the number of the agent's newest message, also while that is on its way.
func (t *transcript) turn() int {
	if t.outgoing {
		return t.Turns + 1
	}
	return t.Turns
}

// nextTurn is the number of the agent's next message.
func (t *transcript) nextTurn() int { return t.Turns + 1 }

// agentsTurn reports that the agent is to reply, or to open the conversation.
func (t *transcript) agentsTurn(agentFirst bool) bool {
	if len(t.Messages) == 0 {
		return agentFirst
	}
	return t.Messages[len(t.Messages)-1].Message.Role != conversation.RoleAssistant
}

// new are the messages that the executor has not been given.
func (t *transcript) new() []conversation.Message {
	_, messages := t.Tail()
	return messages[max(0, len(messages)-t.unseen):]
}

// newWithin are the newest of the messages that the executor has not been given, with at
// most maxBytes, or one, and the digest of all messages before them.
func (t *transcript) newWithin(maxBytes int) (messages []conversation.Message, digest string) {
	all := t.new()
	messages = conversation.Newest(all, maxBytes)
	return messages, activities.Digest(t.digest, all[:len(all)-len(messages)]...)
}

// seen records that the executor has been given the new messages.
func (t *transcript) seen() {
	t.digest = activities.Digest(t.digest, t.new()...)
	t.unseen = 0
}

// unseeAll makes all messages new: for an executor that has seen none.
func (t *transcript) unseeAll() {
	_, messages := t.Tail()
	t.unseen, t.digest = len(messages), ""
}

// received adds a message of the other side.
func (t *transcript) received(m conversation.Message) {
	t.Apply(conversation.Record{Index: t.Next, Messages: []conversation.Message{m}, Turns: t.Turns})
	t.unseen++
}

// sending records that a message of the agent is on its way.
func (t *transcript) sending() { t.outgoing = true }

// lost records that it is not known to have arrived: it is no turn, and the platform may
// have a message more.
func (t *transcript) lost() { t.outgoing, t.unverified = false, 0 }

// sent records that the reply has arrived.
func (t *transcript) sent(r *reply) {
	t.Apply(conversation.Record{Index: t.Next, Messages: []conversation.Message{r.message}, Turns: t.nextTurn()})
	t.ownMessage(r)
}

// sentNothing records a turn in which the agent sent no message.
func (t *transcript) sentNothing() { t.Turns++ }

// exchanged records an exchange: the reply, if the other side accepted it, and how many
// messages came back.
func (t *transcript) exchanged(r conversation.Record, taken *reply, received int) {
	t.outgoing = false
	t.Apply(r)
	if taken != nil {
		t.ownMessage(taken)
	}
	t.unseen += received
}

// ownMessage counts the agent's message as seen, unless an operator wrote it in the
// executor's stead. The turn is over with it, and so is the use of what providers returned.
func (t *transcript) ownMessage(r *reply) {
	t.dropState()
	if r.byOperator {
		t.unseen++
		return
	}
	t.digest = activities.Digest(t.digest, r.message)
}

// dropState drops what providers returned beside messages: its turn is over.
func (t *transcript) dropState() {
	for i := range t.Messages {
		t.Messages[i].Message.State = nil
	}
}

// called adds the executor's request for tool calls.
func (t *transcript) called(r conversation.Record) {
	t.Apply(r)
	t.digest = activities.Digest(t.digest, r.Messages...)
}

// toolsAnswered adds the results of the tool calls.
func (t *transcript) toolsAnswered(results []conversation.Message) {
	t.Apply(conversation.Record{Index: t.Next, Messages: results, Turns: t.Turns})
	t.unseen = len(results)
}

// A bookmark is a place in the transcript to go back to.
type bookmark struct {
	next, unseen int
	digest       string
}

func (t *transcript) bookmark() bookmark { return bookmark{t.Next, t.unseen, t.digest} }

// unsee makes all messages new that the executor had not been given before b.
func (t *transcript) unsee(b bookmark) {
	if n := t.Next - b.next + b.unseen; n > t.unseen {
		t.unseen, t.digest = n, b.digest
	}
}

// goBack forgets what the executor and its tools did since b.
func (t *transcript) goBack(b bookmark) {
	t.Apply(conversation.Record{Index: b.next, Turns: t.Turns})
	t.unseen, t.digest = b.unseen, b.digest
}

// newest are the messages for the next run: at most maxBytes of them, but all that the
// executor has not seen, unless these have more than maxNew.
func (t *transcript) newest(maxBytes, maxNew int) []conversation.Message {
	_, held := t.Tail()
	messages := conversation.Newest(held, maxBytes)
	if len(messages) < t.unseen {
		messages, _ = t.newWithin(maxNew)
	}
	return messages
}

// page answers the transcript query.
func (t *transcript) page(q TranscriptQuery) Transcript {
	first, held := t.Tail()
	from := max(q.From, first)
	if !q.State {
		held = conversation.WithSizeOfState(held)
	}
	out := Transcript{First: from, Total: t.Next, Messages: []conversation.Message{}}
	size := 0
	for _, m := range held[min(from-first, len(held)):] {
		if size += m.RecordedSize(); size > maxQueryBytes && len(out.Messages) > 0 {
			break
		}
		out.Messages = append(out.Messages, m)
	}
	return out
}

// Transcript is the conversation where the run begins.
func (in ConversationInput) Transcript() conversation.Transcript {
	var t conversation.Transcript
	switch c := in.Carried; {
	case c != nil:
		t.Internal = c.Internal - internalMessages(c.Messages) // those that are not carried
		t.Apply(conversation.Record{Index: c.Count + c.Internal - len(c.Messages), Messages: c.Messages, Turns: c.Turn})
	case in.Start != nil:
		t.Apply(in.Start.Record())
	}
	return t
}

// assistantMessages counts the agent's messages.
func assistantMessages(messages []conversation.Message) int {
	n := 0
	for _, m := range messages {
		if m.Role == conversation.RoleAssistant {
			n++
		}
	}
	return n
}

func internalMessages(messages []conversation.Message) int {
	n := 0
	for _, m := range messages {
		if m.Internal() {
			n++
		}
	}
	return n
}
