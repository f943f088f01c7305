package workflows

import (
	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// maxQueryBytes bounds one answer to the transcript query, as JSON: in one payload
// fit 2 MiB, and a single message may be as large as half of that.
const maxQueryBytes = 1 << 20

// transcript is the conversation so far. All counts are of the whole conversation, of
// which only the newest messages are held. It changes by its methods alone, so that the
// numbers of turns and the keys made of them never depend on what is held.
type transcript struct {
	// messages are the newest, those between the agent and its tools included.
	messages []conversation.Message
	// count is how many messages the other side has, and internal how many there are
	// beside them, between the agent and its tools.
	count, internal int
	// turns counts the agent's messages among count. outgoing means that one more is on
	// its way to the other side: it counts as a turn unless it turns out not to arrive.
	turns    int
	outgoing bool
	// unseen is how many of messages, at the end, the executor has not been given yet,
	// and digest the activities.Digest of all before them.
	unseen int
	digest string
}

// replace takes in a conversation as the other side holds it: its newest messages, how
// many there are in all, and how many of all are the agent's. The executor has seen none.
func (t *transcript) replace(messages []conversation.Message, count, turns int) {
	*t = transcript{messages: messages, count: count, turns: turns, unseen: len(messages)}
}

// total counts all messages.
func (t *transcript) total() int { return t.count + t.internal }

// turn is the number of the agent's newest message, also while that is on its way.
func (t *transcript) turn() int {
	if t.outgoing {
		return t.turns + 1
	}
	return t.turns
}

// next is the number of the agent's next message.
func (t *transcript) next() int { return t.turns + 1 }

// agentsTurn reports that the agent is to reply, or to open the conversation.
func (t *transcript) agentsTurn(agentFirst bool) bool {
	if len(t.messages) == 0 {
		return agentFirst
	}
	return t.messages[len(t.messages)-1].Role != conversation.RoleAssistant
}

// new are the messages that the executor has not been given.
func (t *transcript) new() []conversation.Message { return t.messages[len(t.messages)-t.unseen:] }

// seen records that the executor has been given the new messages.
func (t *transcript) seen() {
	t.digest = activities.Digest(t.digest, t.new()...)
	t.unseen = 0
}

// unseeAll makes all messages new: for an executor that has seen none.
func (t *transcript) unseeAll() { t.unseen, t.digest = len(t.messages), "" }

// received adds messages of the other side, which holds count messages now.
func (t *transcript) received(count int, messages ...conversation.Message) {
	t.messages = append(t.messages, messages...)
	t.unseen += len(messages)
	t.count = count
}

// sending records that a message of the agent is on its way.
func (t *transcript) sending() { t.outgoing = true }

// lost records that it is not known to have arrived: it is no turn.
func (t *transcript) lost() { t.outgoing = false }

// sent records that it has arrived. The executor has seen its own messages, and not what
// an operator answered in its stead.
func (t *transcript) sent(r *reply) {
	t.outgoing = false
	t.turns++
	t.count++
	t.messages = append(t.messages, r.message)
	if r.byOperator {
		t.unseen++
		return
	}
	t.digest = activities.Digest(t.digest, r.message)
}

// sentNothing records a turn in which the agent sent no message.
func (t *transcript) sentNothing() { t.turns++ }

// atLeast takes in how many messages and turns the platform knows of in the end.
func (t *transcript) atLeast(count, turns int) {
	t.count, t.turns = max(t.count, count), max(t.turns, turns)
}

// called adds the executor's request for tool calls.
func (t *transcript) called(m conversation.Message) {
	t.messages = append(t.messages, m)
	t.internal++
	t.digest = activities.Digest(t.digest, m)
}

// toolsAnswered adds the results of the tool calls.
func (t *transcript) toolsAnswered(results []conversation.Message) {
	t.messages = append(t.messages, results...)
	t.internal += len(results)
	t.unseen = len(results)
}

// A bookmark is a place in the transcript to go back to.
type bookmark struct {
	messages, internal, unseen int
	digest                     string
}

func (t *transcript) bookmark() bookmark {
	return bookmark{len(t.messages), t.internal, t.unseen, t.digest}
}

// goBack forgets what the executor and its tools did since b.
func (t *transcript) goBack(b bookmark) {
	t.messages = t.messages[:b.messages]
	t.internal, t.unseen, t.digest = b.internal, b.unseen, b.digest
}

// newest are the messages for the next run: at most maxBytes of them, but all that the
// executor has not seen.
func (t *transcript) newest(maxBytes int) []conversation.Message {
	messages := conversation.Newest(t.messages, maxBytes)
	if len(messages) < t.unseen {
		return t.new()
	}
	return messages
}

// page answers the transcript query.
func (t *transcript) page(q TranscriptQuery) Transcript {
	held := t.total() - len(t.messages) // index of the first message held
	from := max(q.From, held)
	out := Transcript{First: from, Total: t.total(), Messages: []conversation.Message{}}
	size := 0
	for _, m := range t.messages[min(from-held, len(t.messages)):] {
		if size += m.RecordedSize(); size > maxQueryBytes && len(out.Messages) > 0 {
			break
		}
		out.Messages = append(out.Messages, m)
	}
	return out
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
