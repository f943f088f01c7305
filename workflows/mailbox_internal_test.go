package workflows

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
)

func TestSendRequestValidate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		req  SendRequest
		want string // empty: it is valid
	}{
		"Text":            {req: SendRequest{ID: "m1", Text: "hello"}},
		"Data":            {req: SendRequest{ID: "m1", Data: json.RawMessage(`{"n":1}`)}},
		"Both":            {req: SendRequest{ID: "m1", Text: "hello", Data: json.RawMessage(`[]`)}},
		"LongestID":       {req: SendRequest{ID: strings.Repeat("i", maxSendID), Text: "hello"}},
		"Largest":         {req: SendRequest{ID: "m1", Text: strings.Repeat("x", maxSendBytes)}},
		"NoID":            {SendRequest{Text: "hello"}, "needs an id of at most 200 bytes"},
		"LongID":          {SendRequest{ID: strings.Repeat("i", maxSendID+1), Text: "hello"}, "needs an id of at most 200 bytes"},
		"IDIsNotUTF8":     {SendRequest{ID: "\xff", Text: "hello"}, "is not UTF-8"},
		"TextIsNotUTF8":   {SendRequest{ID: "m1", Text: "\xff"}, "the message is not UTF-8"},
		"DataIsNotUTF8":   {SendRequest{ID: "m1", Data: json.RawMessage("\"\xff\"")}, "the message is not UTF-8"},
		"Empty":           {SendRequest{ID: "m1", Text: " \n"}, "the message is empty"},
		"DataIsNotJSON":   {SendRequest{ID: "m1", Data: json.RawMessage(`{`)}, "data is not JSON"},
		"TooLarge":        {SendRequest{ID: "m1", Text: strings.Repeat("x", maxSendBytes+1024)}, "has 257 KiB; at most 256 are possible"},
		"TooLargeAsJSON":  {SendRequest{ID: "m1", Text: strings.Repeat("<", maxSendBytes)}, "as JSON; at most 512 are possible"},
		"TooLargeTogeter": {SendRequest{ID: "m1", Text: strings.Repeat("x", maxSendBytes), Data: json.RawMessage(`1`)}, "at most 256 are possible"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tt.req.Validate()
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestSendRequestMessage(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := SendRequest{ID: "m1", Text: "hello", Data: json.RawMessage(`{"n":1}`)}.Message(at)
	require.Equal(t, conversation.Message{Role: conversation.RoleUser, Time: at, Parts: []conversation.Part{
		{Type: conversation.PartText, Text: "hello"}, {Type: conversation.PartData, Data: json.RawMessage(`{"n":1}`)},
	}}, m)
	require.Len(t, SendRequest{Data: json.RawMessage(`1`)}.Message(at).Parts, 1)
}

// Messages are answered in the order in which they came, each once.
func TestMailboxOrder(t *testing.T) {
	t.Parallel()
	m := mailbox{queue: []SendRequest{{ID: "m1"}, {ID: "m2"}}}
	require.True(t, m.busy())
	require.True(t, m.knows("m1") && m.knows("m2"))
	require.False(t, m.knows("m3"))
	require.False(t, m.knows(""), "nothing is being answered")

	req, ok := m.take()
	require.True(t, ok)
	require.Equal(t, "m1", req.ID)
	require.True(t, m.knows("m1"), "it is being answered")
	require.Nil(t, m.find("m1"))
	m.index = 4
	m.answer(SendReply{Index: 5, Turn: 2})
	require.Equal(t, SendReply{ID: "m1", MessageIndex: 4, Index: 5, Turn: 2}, *m.find("m1").Reply)
	require.True(t, m.busy(), "another waits")

	_, _ = m.take()
	m.answer(SendReply{Turn: 3})
	require.False(t, m.busy())
	require.True(t, m.knows("m2"))
	_, ok = m.take()
	require.False(t, ok)

	m.answer(SendReply{Turn: 4}) // the agent has spoken first
	require.Len(t, m.answered, 2)
}

// The texts of old replies go before what says that a message was answered.
func TestMailboxDropsOldReplies(t *testing.T) {
	t.Parallel()
	var m mailbox
	text := strings.Repeat("x", keptReplyBytes/4)
	for i := range 10 {
		m.keep(SendReply{ID: fmt.Sprint(i), Turn: i + 1, Message: conversation.Text(conversation.RoleAssistant, text)})
	}
	require.Len(t, m.answered, 10)
	require.NotNil(t, m.answered[9].Reply)
	require.NotNil(t, m.answered[7].Reply)
	require.Nil(t, m.answered[0].Reply)
	require.Nil(t, m.answered[5].Reply)
	require.Equal(t, 1, m.find("0").Turn)

	large := SendReply{ID: "large", Message: conversation.Text(conversation.RoleAssistant, strings.Repeat("x", 2*keptReplyBytes))}
	m.keep(large)
	require.NotNil(t, m.find("large").Reply, "the newest stays, however large it is")
	require.Nil(t, m.find("9").Reply)
}

// So many ids are known, and no more.
func TestMailboxForgetsOldMessages(t *testing.T) {
	t.Parallel()
	var m mailbox
	for i := range keptAnswers + 5 {
		m.keep(SendReply{ID: fmt.Sprint("m", i), Turn: i + 1})
	}
	require.Len(t, m.answered, keptAnswers)
	require.False(t, m.knows("m4"))
	require.True(t, m.knows("m5"))
}

// What goes along to the next run is bounded as it is recorded.
func TestMailboxNewest(t *testing.T) {
	t.Parallel()
	var m mailbox
	require.Empty(t, m.newest())
	id := strings.Repeat("\x01", maxSendID) // six bytes each in JSON
	for i := range keptAnswers {
		m.keep(SendReply{ID: id[:maxSendID-5] + fmt.Sprintf("%05d", i), Turn: i + 1})
	}
	newest := m.newest()
	require.Less(t, len(newest), keptAnswers)
	require.Equal(t, m.answered[len(m.answered)-1], newest[len(newest)-1])
	ids := 0
	for _, a := range newest {
		ids += a.idSize()
	}
	require.LessOrEqual(t, ids, keptIDBytes)
	require.Greater(t, ids, keptIDBytes-2*newest[0].idSize())
}
