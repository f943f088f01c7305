package workflows

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

func user(text string) conversation.Message {
	return conversation.Text(conversation.RoleUser, text)
}

func assistant(text string) conversation.Message {
	return conversation.Text(conversation.RoleAssistant, text)
}

// toolCall is a message between the agent and its tools.
func toolCall(id string) conversation.Message {
	return conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
		{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: id, Name: "find"}},
	}}
}

func toolResult(id string) conversation.Message {
	return conversation.ToolResultMessage(conversation.ToolResult{CallID: id, Content: "found " + id})
}

func messagesOf(t *transcript) []conversation.Message {
	_, messages := t.Tail()
	return messages
}

// What the executor has seen, and has not, is known over a whole conversation. The digest
// is always that of what it has seen.
func TestTranscriptOfATurn(t *testing.T) {
	t.Parallel()
	var tr transcript
	require.False(t, tr.agentsTurn(false))
	require.True(t, tr.agentsTurn(true), "the agent opens the conversation")

	tr.received(user("hello"))
	require.True(t, tr.agentsTurn(false))
	require.Equal(t, []conversation.Message{user("hello")}, tr.new())
	require.Equal(t, 0, tr.turn())
	require.Equal(t, 1, tr.nextTurn())

	tr.seen()
	require.Empty(t, tr.new())
	require.Equal(t, activities.Digest("", user("hello")), tr.digest)

	tr.called(conversation.Record{Index: 1, Messages: []conversation.Message{toolCall("1")}})
	tr.toolsAnswered([]conversation.Message{toolResult("1")})
	require.Equal(t, []conversation.Message{toolResult("1")}, tr.new(), "the executor knows what it asked for")
	require.Equal(t, 2, tr.Internal)
	require.Equal(t, 1, tr.Count())
	require.True(t, tr.agentsTurn(false))
	tr.seen()

	tr.sending()
	require.Equal(t, 1, tr.turn(), "it counts while it is on its way")
	tr.lost()
	require.Equal(t, 0, tr.turn())

	tr.sent(&reply{message: assistant("hi")})
	require.Equal(t, 1, tr.turn())
	require.False(t, tr.agentsTurn(true))
	require.Equal(t, activities.Digest("", messagesOf(&tr)...), tr.digest, "it has seen all")
	require.Empty(t, tr.new())
}

// An exchange brings the reply, where it was taken, and an answer.
func TestTranscriptExchanged(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		reply    *reply
		taken    int
		turns    int
		new, all int
	}{
		"Taken":         {reply: &reply{message: assistant("hi")}, taken: 1, turns: 1, new: 1, all: 3},
		"NotTaken":      {reply: &reply{message: assistant("hi")}, new: 1, all: 2},
		"Opening":       {new: 1, all: 2},
		"ByAnOperator":  {reply: &reply{message: assistant("hi"), byOperator: true}, taken: 1, turns: 1, new: 2, all: 3},
		"OperatorsLost": {reply: &reply{message: assistant("hi"), byOperator: true}, new: 1, all: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tr transcript
			tr.received(user("hello"))
			tr.seen()
			in := activities.ExchangeInput{Before: 1}
			if tt.reply != nil {
				tr.sending()
				in.Turn, in.Messages = 1, []conversation.Message{tt.reply.message}
			}
			out := activities.ExchangeResult{Messages: []conversation.Message{user("go on")}, Count: 2 + tt.taken, Taken: tt.taken}
			out.Place(in)
			taken := tt.reply
			if tt.taken == 0 {
				taken = nil
			}
			tr.exchanged(out.Record(in), taken, 1)
			require.Equal(t, tt.turns, tr.turn())
			require.Len(t, tr.new(), tt.new)
			require.Len(t, messagesOf(&tr), tt.all)
			seen := messagesOf(&tr)[:tt.all-tt.new]
			require.Equal(t, activities.Digest("", seen...), tr.digest)
		})
	}
}

// Of a turn that comes to nothing, what the executor and its tools did is forgotten.
func TestTranscriptGoBack(t *testing.T) {
	t.Parallel()
	var tr transcript
	tr.received(user("hello"))
	before := tr.bookmark()
	digest := tr.digest
	tr.seen()
	for i := range 3 {
		id := fmt.Sprint(i)
		tr.called(conversation.Record{Index: tr.Next, Messages: []conversation.Message{toolCall(id)}})
		tr.toolsAnswered([]conversation.Message{toolResult(id)})
		tr.seen()
	}
	require.Equal(t, 7, tr.Next)
	tr.goBack(before)
	require.Equal(t, 1, tr.Next)
	require.Zero(t, tr.Internal)
	require.Equal(t, digest, tr.digest)
	require.Equal(t, []conversation.Message{user("hello")}, tr.new())

	tr.goBack(tr.bookmark())
	require.Equal(t, 1, tr.Next, "there is nothing to forget")
}

// For an executor that has seen nothing, all is new.
func TestTranscriptUnseeAll(t *testing.T) {
	t.Parallel()
	var tr transcript
	tr.received(user("hello"))
	tr.seen()
	tr.sent(&reply{message: assistant("hi")})
	tr.received(user("go on"))
	require.Len(t, tr.new(), 1)
	tr.unseeAll()
	require.Equal(t, messagesOf(&tr), tr.new())
	require.Empty(t, tr.digest)

	tr.replace(conversation.Record{Index: 40, Messages: []conversation.Message{user("a"), assistant("b")}, Turns: 20})
	require.Len(t, tr.new(), 2, "what another side holds is new too")
	require.Equal(t, 20, tr.turn())
	require.Equal(t, 42, tr.Next)
}

func TestTranscriptSentNothing(t *testing.T) {
	t.Parallel()
	var tr transcript
	tr.received(user("hello"))
	tr.sentNothing()
	require.Equal(t, 1, tr.turn())
	require.Equal(t, 1, tr.Next)
}

// The next run gets the newest messages, and all that the executor has not seen.
func TestTranscriptNewest(t *testing.T) {
	t.Parallel()
	var tr transcript
	long := strings.Repeat("x", 1000)
	for i := range 20 {
		tr.received(user(long))
		tr.seen()
		tr.sent(&reply{message: assistant(fmt.Sprint("a", i))})
	}
	require.Len(t, tr.newest(1<<20, 1<<20), 40)
	some := tr.newest(5000, 1<<20)
	require.Less(t, len(some), 10)
	require.Equal(t, messagesOf(&tr)[40-len(some):], some)
	require.NotEmpty(t, tr.newest(1, 1<<20), "the newest goes along, however large it is")

	for range 8 {
		tr.received(user(long))
	}
	require.Equal(t, tr.new(), tr.newest(1, 1<<20), "what is new is not to be had elsewhere")
}

// A query is answered with at most a page, from the index that it names.
func TestTranscriptPage(t *testing.T) {
	t.Parallel()
	var tr transcript
	empty := tr.page(TranscriptQuery{})
	require.Equal(t, Transcript{Messages: []conversation.Message{}}, empty)

	tr.replace(conversation.Record{Index: 10, Messages: []conversation.Message{user("a"), assistant("b"), user("c")}, Turns: 5})
	for from, want := range map[int]struct{ first, messages int }{
		0: {10, 3}, 10: {10, 3}, 11: {11, 2}, 13: {13, 0}, 20: {20, 0},
	} {
		page := tr.page(TranscriptQuery{From: from})
		require.Equal(t, want.first, page.First, from)
		require.Len(t, page.Messages, want.messages, from)
		require.Equal(t, 13, page.Total)
	}

	large := strings.Repeat("x", maxQueryBytes/3)
	for range 10 {
		tr.received(user(large))
	}
	all, from := 0, 0
	for pages := 0; from < 23; pages++ {
		require.Less(t, pages, 10)
		page := tr.page(TranscriptQuery{From: from})
		require.NotEmpty(t, page.Messages)
		size := 0
		for _, m := range page.Messages {
			size += m.RecordedSize()
		}
		require.LessOrEqual(t, size, maxQueryBytes)
		all, from = all+len(page.Messages), page.First+len(page.Messages)
	}
	require.Equal(t, 13, all)

	tr.received(user(strings.Repeat("x", 2*maxQueryBytes)))
	require.Len(t, tr.page(TranscriptQuery{From: 23}).Messages, 1, "one message is had, however large it is")
}

// A conversation that continues as new has the same transcript in its next run, as far as
// it is carried, with the same numbers.
func TestTranscriptIsCarried(t *testing.T) {
	t.Parallel()
	for name, maxBytes := range map[string]int{"all": 1 << 20, "some": 2000, "the newest": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &run{policy: conversation.Policy{CarryBytes: maxBytes}, in: ConversationInput{Side: SidePlatform}}
			r.choose()
			tr := &r.transcript
			for i := range 10 {
				tr.received(user(fmt.Sprint("p", i)))
				tr.seen()
				tr.called(conversation.Record{Index: tr.Next, Messages: []conversation.Message{toolCall("1")}, Turns: tr.Turns})
				tr.toolsAnswered([]conversation.Message{toolResult("1")})
				tr.seen()
				tr.sent(&reply{message: assistant(fmt.Sprint("a", i))})
			}
			tr.received(user("last"))
			c := r.nextInput().Carried
			in := ConversationInput{Side: SidePlatform, Carried: c}
			next := transcript{Transcript: in.Transcript(), unseen: c.New, digest: c.Digest}
			require.Equal(t, tr.Next, next.Next)
			require.Equal(t, tr.Count(), next.Count())
			require.Equal(t, tr.Internal, next.Internal)
			require.Equal(t, tr.turn(), next.turn())
			require.Equal(t, tr.new(), next.new())
			require.Equal(t, tr.digest, next.digest)
			mine := messagesOf(&next)
			require.NotEmpty(t, mine)
			require.Equal(t, messagesOf(tr)[41-len(mine):], mine)
		})
	}
}

// All that the next run needs goes along, and comes back.
func TestCarriedRoundTrip(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := &run{
		in: ConversationInput{Side: SideTransport}, policy: conversation.Policy{CarryBytes: 1000}, started: at,
		about:  conversation.Context{MaxMessages: 7},
		agent:  agent{executor: "other", model: "m", state: []byte(`{"id":1}`)},
		usage:  usage{total: conversation.Usage{OutputTokens: 12, Calls: 3}},
		wishes: wishes{paused: &Attention{Reason: "paused"}, takeover: &TakeoverRequest{Text: "mine"}, end: &EndRequest{Reason: "enough"}},
		resets: resets{run: "run2"}, events: events{number: 9}, steps: steps{lag: time.Second},
	}
	r.usage.allow()
	r.choose()
	r.side.(*transportSide).slowest = time.Minute
	c := r.carried()
	require.Equal(t, &Carried{
		Context: r.about, Started: at, State: r.agent.state, Executor: "other", Model: "m", Usage: r.usage.total, Allowed: r.usage.allowed,
		Paused: r.wishes.paused, Takeover: r.wishes.takeover, End: r.wishes.end, Run: "run2", Events: 9, Slowest: time.Minute, Lag: time.Second,
	}, c)
	next := &run{in: ConversationInput{Side: SideTransport, Carried: c}}
	next.choose()
	require.Equal(t, time.Minute, next.side.(*transportSide).slowest)

	direct := &run{in: ConversationInput{Side: SideDirect, Carried: &Carried{Answered: []answer{{ID: "m1", Turn: 1}}}}}
	direct.choose()
	require.True(t, direct.side.(*directSide).mailbox.knows("m1"))
}

func TestStartRecord(t *testing.T) {
	t.Parallel()
	task := &conversation.Task{Payload: []byte(`{"message":"sum it up"}`)}
	require.Empty(t, Start{}.Record().Messages)
	require.Equal(t, 1, Start{Messages: []conversation.Message{user("a"), assistant("b")}}.Record().Turns)
	require.Equal(t, []conversation.Message{task.Message()}, Start{Context: conversation.Context{Task: task}}.Record().Messages)
	require.Equal(t, []conversation.Message{user("a")},
		Start{Context: conversation.Context{Task: task}, Messages: []conversation.Message{user("a")}}.Record().Messages)
}

// A client's message and its reply are read from the history once, wherever the executor's
// part of them stands already.
func TestSendReplyRecords(t *testing.T) {
	t.Parallel()
	req := SendRequest{ID: "m1", Text: "hello"}
	replied := SendReply{ID: "m1", MessageIndex: 0, Index: 1, Turn: 1, Message: assistant("hi")}
	for name, tt := range map[string]struct {
		before []conversation.Record
		reply  SendReply
		want   []string
		turns  int
	}{
		"an operator, before the executor was asked": {reply: replied, want: []string{"hello", "hi"}, turns: 1},
		"an operator, while the executor thinks": {
			before: []conversation.Record{{Messages: []conversation.Message{user("hello")}}}, reply: replied, want: []string{"hello", "hi"}, turns: 1,
		},
		"an operator, while tools are called": {
			before: []conversation.Record{{Messages: []conversation.Message{user("hello"), toolCall("1"), toolResult("1")}}},
			reply:  replied, want: []string{"hello", "hi"}, turns: 1,
		},
		"the executor": {
			before: []conversation.Record{{Messages: []conversation.Message{user("hello"), assistant("hi")}, Turns: 1}},
			reply:  replied, want: []string{"hello", "hi"}, turns: 1,
		},
		"an operator, whose answer crossed the executor's": {
			before: []conversation.Record{{Messages: []conversation.Message{user("hello"), assistant("no")}, Turns: 1}},
			reply:  replied, want: []string{"hello", "hi"}, turns: 1,
		},
		"sent again, later": {
			before: []conversation.Record{{Messages: []conversation.Message{user("hello"), assistant("hi"), user("more"), assistant("yes")}, Turns: 2}},
			reply:  replied, want: []string{"hello", "hi", "more", "yes"}, turns: 2,
		},
		"sent again, while the next is answered": {
			before: []conversation.Record{{Messages: []conversation.Message{user("hello"), assistant("hi"), user("more")}, Turns: 1}},
			reply:  replied, want: []string{"hello", "hi", "more"}, turns: 1,
		},
		"an end without a message": {
			before: []conversation.Record{{Messages: []conversation.Message{user("hello")}, Turns: 1}},
			reply:  SendReply{ID: "m1", Index: 1, Turn: 1}, want: []string{"hello"}, turns: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tr conversation.Transcript
			for _, r := range tt.before {
				tr.Apply(r)
			}
			for _, r := range tt.reply.Records(tr, req) {
				tr.Apply(r)
			}
			_, messages := tr.Tail()
			var texts []string
			for _, m := range messages {
				texts = append(texts, m.PlainText())
			}
			require.Equal(t, tt.want, texts)
			require.Equal(t, tt.turns, tr.Turns)
		})
	}
}

func TestTakeoverRecord(t *testing.T) {
	t.Parallel()
	var tr conversation.Transcript
	tr.Apply(conversation.Record{Messages: []conversation.Message{user("sum it up"), toolCall("1"), toolResult("1")}})
	tr.Apply(TakeoverRequest{Text: "done"}.Record(tr))
	_, messages := tr.Tail()
	require.Equal(t, []conversation.Message{user("sum it up"), toolCall("1"), toolResult("1"), assistant("done")}, messages)
	require.Equal(t, 1, tr.Turns)
}
