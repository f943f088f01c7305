package conversation_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
)

func TestCleanText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                               "",
		"plain, with\ttabs\r\nand lines": "plain, with\ttabs\r\nand lines",
		"a\x00b":                         "ab",
		"\x00\x00":                       "",
		"bell\a, escape\x1b[31m":         "bell, escape[31m",
		"del\x7f":                        "del",
		"c1\u0080\u009f":                 "c1",
		"one\vtwo\fthree\u0085four":      "one\ntwo\nthree\nfour",
		"\ufffd, \ufffe, \U0001ffff":     "\ufffd, \ufffe, \U0001ffff", // stored everywhere
		"zero\u200bwidth, bidi\u202e":    "zero\u200bwidth, bidi\u202e",
		"grüße 🙂":                        "grüße 🙂",
	} {
		got, n := conversation.CleanText(in)
		require.Equal(t, want, got, "%q", in)
		require.Equal(t, in != want, n > 0, "%q", in)
	}
}

func TestCleanMessage(t *testing.T) {
	t.Parallel()
	m := conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
		{Type: conversation.PartText, Text: "a\x00b\x01"}, {Type: conversation.PartText, Text: "fine"},
		{Type: conversation.PartData, Data: json.RawMessage(`{"a\u0000":"\\u0000 \u001F\b\f\" \u00e9 \u007f \n","n":10000000000000000001}`)},
	}}
	before, _ := json.Marshal(m)
	got := m.Clean()
	require.Equal(t, "ab\n\nfine", got.Text())
	require.JSONEq(t, `{"a":"\\u0000 \n\" é  \n","n":10000000000000000001}`, string(got.Parts[2].Data))
	require.Contains(t, string(got.Parts[2].Data), "10000000000000000001", "digits stay")
	require.Equal(t, 2+5, got.Cleaned)
	require.Equal(t, got, got.Clean(), "once is enough")
	after, _ := json.Marshal(m)
	require.Equal(t, string(before), string(after), "the message is the caller's")
	plain := conversation.Text(conversation.RoleAssistant, "plain")
	require.Equal(t, plain, plain.Clean())
}

func TestState(t *testing.T) {
	t.Parallel()
	call := talk("c:x")[0]
	call.State = &conversation.ProviderState{Model: "m", Data: json.RawMessage(`"thoughts"`)}
	in := []conversation.Message{talk("u1")[0], call}
	require.Nil(t, conversation.WithoutState(in)[1].State)
	require.Equal(t, &conversation.ProviderState{Model: "m", Bytes: 10}, conversation.WithSizeOfState(in)[1].State)
	require.Equal(t, conversation.WithSizeOfState(in), conversation.WithSizeOfState(conversation.WithSizeOfState(in)))
	require.NotNil(t, in[1].State.Data, "the messages are the caller's")
	call.CutOff, call.Cleaned = true, 3
	require.Equal(t, talk("c:x")[0], call.Outgoing())
}
