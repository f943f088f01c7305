package conversation_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
)

// texts makes messages from "user: hi"-like shorthand: u, a, c (a tool call), t (its result).
func texts(words ...string) []conversation.Message {
	var out []conversation.Message
	for _, w := range words {
		switch w[0] {
		case 'u':
			out = append(out, conversation.Text(conversation.RoleUser, w))
		case 'a':
			out = append(out, conversation.Text(conversation.RoleAssistant, w))
		case 'c':
			out = append(out, conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
				{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: w, Name: "tool"}},
			}})
		case 't':
			out = append(out, conversation.ToolResultMessage(conversation.ToolResult{CallID: w, Content: w}))
		}
	}
	return out
}

// shown writes a transcript in the same shorthand, with the indexes.
func shown(t *conversation.Transcript) []string {
	out := []string{}
	for _, m := range t.Messages {
		word := m.Message.Text()
		for _, p := range m.Message.Parts {
			switch {
			case p.ToolCall != nil:
				word = p.ToolCall.ID
			case p.ToolResult != nil:
				word = p.ToolResult.CallID
			}
		}
		out = append(out, fmt.Sprintf("%d %s", m.Index, word))
	}
	return out
}

func TestTranscript(t *testing.T) {
	t.Parallel()
	type record = conversation.Record
	for _, tt := range []struct {
		name                  string
		records               []record
		want                  []string
		next, internal, turns int
		pending               string
	}{
		{name: "Empty", want: []string{}},
		{
			name: "Exchanges",
			records: []record{
				{Index: 0, Messages: texts("u0")},
				{Index: 1, Pending: &texts("a1")[0]},
				{Index: 1, Messages: texts("a1", "u2"), Turns: 1},
			},
			want: []string{"0 u0", "1 a1", "2 u2"}, next: 3, turns: 1,
		},
		{
			name: "PendingReplyIsNoPart",
			records: []record{
				{Index: 0, Messages: texts("u0")},
				{Index: 1, Pending: &texts("a1")[0]},
			},
			want: []string{"0 u0"}, next: 1, pending: "a1",
		},
		{
			name: "ParallelToolResults",
			records: []record{
				{Index: 0, Messages: texts("u0")},
				{Index: 1, Messages: texts("c1")},
				{Index: 3, Messages: texts("t3"), Insert: true},
				{Index: 2, Messages: texts("t2"), Insert: true},
				{Index: 4, Messages: texts("a4", "u5"), Turns: 1},
			},
			want: []string{"0 u0", "1 c1", "2 t2", "3 t3", "4 a4", "5 u5"}, next: 6, internal: 3, turns: 1,
		},
		{
			name: "AnInsertTwiceCountsOnce",
			records: []record{
				{Index: 0, Messages: texts("u0", "c1")},
				{Index: 2, Messages: texts("t2"), Insert: true},
				{Index: 2, Messages: texts("t2"), Insert: true},
			},
			want: []string{"0 u0", "1 c1", "2 t2"}, next: 3, internal: 2,
		},
		{
			name: "AbandonedTurn",
			records: []record{
				{Index: 0, Messages: texts("u0")},
				{Index: 1, Messages: texts("c1")},
				{Index: 2, Messages: texts("t2"), Insert: true},
				{Index: 1, Messages: texts("a1", "u2"), Turns: 1},
			},
			want: []string{"0 u0", "1 a1", "2 u2"}, next: 3, turns: 1,
		},
		{
			name: "RereadRemovesInternalMessages",
			records: []record{
				{Index: 0, Messages: texts("u0", "c1", "t2", "a3", "u4"), Turns: 1},
				{Index: 2, Messages: texts("u2", "a3", "u4"), Turns: 2, Reread: true},
			},
			want: []string{"0 u0", "1 a3", "2 u2", "3 a3", "4 u4"}, next: 5, turns: 2,
		},
		{
			name: "RereadOfATail",
			records: []record{
				{Index: 0, Messages: texts("u0"), Reread: true},
				{Index: 7, Messages: texts("u7"), Turns: 3, Reread: true},
			},
			want: []string{"0 u0", "7 u7"}, next: 8, turns: 3,
		},
		{
			name: "NotTaken",
			records: []record{
				{Index: 0, Messages: texts("u0")},
				{Index: 1, Messages: texts("u1"), Pending: &texts("a1")[0]},
			},
			want: []string{"0 u0", "1 u1"}, next: 2, pending: "a1",
		},
		{
			name:    "CountWithoutMessages",
			records: []record{{Index: 9, Turns: 4, Reread: true}},
			want:    []string{}, next: 9, turns: 4,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var tr conversation.Transcript
			for _, r := range tt.records {
				tr.Apply(r)
			}
			require.Equal(t, tt.want, shown(&tr))
			require.Equal(t, []int{tt.next, tt.internal, tt.turns}, []int{tr.Next, tr.Internal, tr.Turns})
			require.Equal(t, tt.next-tt.internal, tr.Count())
			if tt.pending == "" {
				require.Nil(t, tr.Pending)
			} else {
				require.Equal(t, tt.pending, tr.Pending.Text())
			}
		})
	}
}

func TestTranscriptTail(t *testing.T) {
	t.Parallel()
	var tr conversation.Transcript
	first, messages := tr.Tail()
	require.Zero(t, first)
	require.Empty(t, messages)
	tr.Apply(conversation.Record{Messages: texts("u0", "a1")})
	tr.Apply(conversation.Record{Index: 5, Messages: texts("u5", "a6")})
	first, messages = tr.Tail()
	require.Equal(t, 5, first)
	require.Equal(t, texts("u5", "a6"), messages)
	require.Len(t, tr.From(1), 3)
	require.Len(t, tr.From(2), 2)
	require.Empty(t, tr.From(9))
	require.Equal(t, []bool{true, true, false, true, false}, []bool{tr.Has(0), tr.Has(1), tr.Has(2), tr.Has(6), tr.Has(7)})
	tr.AtLeast(3, 1)
	require.Equal(t, []int{7, 1}, []int{tr.Next, tr.Turns})
	tr.AtLeast(9, 0)
	require.Equal(t, []int{9, 1}, []int{tr.Next, tr.Turns})
}

// TestTranscriptOfRandomConversations builds conversations of deliveries, tool calls,
// abandoned turns and rereads, and compares each with a plain list. A second transcript
// begins in the middle with what a run carries over, and must agree from there on.
func TestTranscriptOfRandomConversations(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		var (
			whole, later conversation.Transcript
			list         = []conversation.Message{}
			turns        int
		)
		apply := func(r conversation.Record) {
			whole.Apply(r)
			later.Apply(r)
		}
		word := func(kind string) []conversation.Message { return texts(fmt.Sprintf("%s%d", kind, random.IntN(1e6))) }
		for step := range 40 {
			begin := len(list)
			switch random.IntN(6) {
			case 0: // tool calls, whose results arrive in any order
				call, results := word("c"), append(word("t"), word("t")...)
				apply(conversation.Record{Index: begin, Messages: call, Turns: turns})
				for _, i := range random.Perm(2) {
					apply(conversation.Record{Index: begin + 1 + i, Messages: results[i : i+1], Turns: turns, Insert: true})
				}
				list = append(append(list, call...), results...)
			case 1: // a turn that is abandoned after a tool call
				apply(conversation.Record{Index: begin, Messages: word("c"), Turns: turns})
				fallthrough
			case 2, 3:
				sent := append(word("a"), word("u")...)
				turns++
				apply(conversation.Record{Index: begin, Turns: turns - 1, Pending: &sent[0]})
				apply(conversation.Record{Index: begin, Messages: sent, Turns: turns})
				list = append(list, sent...)
			case 4: // the platform's transcript is read again, from some message on
				list = slices.DeleteFunc(list, conversation.Message.Internal)
				from := random.IntN(len(list) + 1)
				apply(conversation.Record{Index: from, Messages: list[from:], Turns: turns, Reread: true})
			case 5: // the next run carries the newest messages over
				first, messages := whole.Tail()
				skip := random.IntN(len(messages) + 1)
				later = conversation.Transcript{Next: first + skip, Internal: whole.Internal, Turns: turns}
				for _, m := range messages[skip:] {
					if m.Internal() {
						later.Internal--
					}
				}
				later.Apply(conversation.Record{Index: first + skip, Messages: messages[skip:], Turns: turns})
			}
			got := []conversation.Message{}
			for i, m := range whole.Messages {
				require.Equal(t, i, m.Index)
				got = append(got, m.Message)
			}
			require.Equal(t, list, got, "seed %d, step %d", seed, step)
			require.Equal(t, len(list), whole.Next)
			require.Equal(t, whole.Count(), later.Count(), "seed %d, step %d", seed, step)
			require.Equal(t, whole.Next, later.Next)
			_, known := later.Tail()
			require.Equal(t, len(known), len(later.Messages), "no gap")
			if n := len(known); n > 0 {
				require.Equal(t, list[len(list)-n:], known, "seed %d, step %d", seed, step)
			}
		}
	}
}

// What a history does not record of interrupted calls has a place in the transcript, so
// that what follows has its own.
func TestTranscriptFillsResults(t *testing.T) {
	t.Parallel()
	calls := conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
		{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "a", Name: "x"}}, {Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "b", Name: "x"}},
	}}
	result := func(id, text string) conversation.Message {
		return conversation.ToolResultMessage(conversation.ToolResult{CallID: id, Content: text})
	}
	for name, tt := range map[string]struct {
		recorded []conversation.Record
		next     conversation.Record
		want     string
	}{
		"none is recorded":     {nil, conversation.Record{Index: 4, Messages: []conversation.Message{conversation.Text(conversation.RoleAssistant, "bye")}}, "a:? b:? bye"},
		"the second is":        {[]conversation.Record{{Index: 3, Messages: []conversation.Message{result("b", "B")}, Insert: true}}, conversation.Record{Index: 4, Messages: []conversation.Message{conversation.Text(conversation.RoleAssistant, "bye")}}, "a:? b:B bye"},
		"both are":             {[]conversation.Record{{Index: 2, Messages: []conversation.Message{result("a", "A")}, Insert: true}, {Index: 3, Messages: []conversation.Message{result("b", "B")}, Insert: true}}, conversation.Record{Index: 4, Messages: []conversation.Message{conversation.Text(conversation.RoleAssistant, "bye")}}, "a:A b:B bye"},
		"they are replaced":    {nil, conversation.Record{Index: 2, Messages: []conversation.Message{result("a", "A"), result("b", "B")}}, "a:A b:B"},
		"the calls are undone": {nil, conversation.Record{Index: 1, Messages: []conversation.Message{conversation.Text(conversation.RoleAssistant, "bye")}}, "bye"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tr conversation.Transcript
			tr.Apply(conversation.Record{Messages: []conversation.Message{conversation.Text(conversation.RoleUser, "hi"), calls}})
			for _, r := range append(tt.recorded, tt.next) {
				tr.Apply(r)
			}
			var got []string
			for i, m := range tr.Messages {
				require.Equal(t, i, m.Index, "without a gap")
				switch r := m.Message.Parts[0].ToolResult; {
				case r != nil && r.Content == conversation.UnrecordedResult:
					got = append(got, r.CallID+":?")
				case r != nil:
					got = append(got, r.CallID+":"+r.Content)
				case i > 0 && len(m.Message.ToolCalls()) == 0:
					got = append(got, m.Message.Text())
				}
			}
			require.Equal(t, tt.want, strings.Join(got, " "))
			require.Equal(t, len(tr.Messages), tr.Next)
		})
	}
}
