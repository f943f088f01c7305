package conversation_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
)

func TestCut(t *testing.T) {
	t.Parallel()
	const limit = 4 << 10
	text := func(s string) conversation.Message { return conversation.Text(conversation.RoleUser, s) }
	data := conversation.Part{Type: conversation.PartData, Data: json.RawMessage(`"` + strings.Repeat("x", 8<<10) + `"`)}
	for name, m := range map[string]conversation.Message{
		"a long text":               text(strings.Repeat("x", 3<<20)),
		"markup":                    text(strings.Repeat("<", 3<<10)),
		"characters of three bytes": text(strings.Repeat("€", 4<<10)),
		"characters of four bytes":  text(strings.Repeat("🙂", 4<<10)),
		"control characters":        text(strings.Repeat("\x01", 3<<10)),
		"data":                      {Role: conversation.RoleUser, Parts: []conversation.Part{data}},
		"a text and data":           {Role: conversation.RoleUser, Parts: []conversation.Part{{Type: conversation.PartText, Text: "see"}, data}},
		"data and a text":           {Role: conversation.RoleUser, Parts: []conversation.Part{data, {Type: conversation.PartText, Text: "see"}}},
		"many parts":                {Role: conversation.RoleUser, Parts: make([]conversation.Part, 10_000)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, cut := m.Cut(limit)
			require.Positive(t, cut+len(m.Parts)/10_000)
			require.LessOrEqual(t, got.RecordedSize(), limit)
			require.True(t, utf8.ValidString(got.Text()))
			require.Contains(t, got.Text(), "bytes cut]")
			require.Equal(t, m.Role, got.Role)
		})
	}
	same, cut := text("hello").Cut(limit)
	require.Zero(t, cut)
	require.Equal(t, text("hello"), same)
	got, _ := text(strings.Repeat("x", 1<<20)).Cut(limit)
	require.Contains(t, got.Text(), "[… 1,044,")

	short, cut := conversation.CutText("hello", 10)
	require.Equal(t, "hello", short)
	require.Zero(t, cut)
	long, cut := conversation.CutText(strings.Repeat("ü", 1000), 500)
	require.Positive(t, cut)
	require.LessOrEqual(t, conversation.EscapedSize(long), 500)
}

func TestSaid(t *testing.T) {
	t.Parallel()
	m := conversation.Message{Parts: []conversation.Part{
		{Type: conversation.PartText, Text: "here"},
		{Type: conversation.PartData, Data: json.RawMessage("{\n  \"a\": [1, 2]\n}")},
	}}
	require.Equal(t, "here\n\n{\"a\":[1,2]}", m.PlainText())
	require.Equal(t, "hi", conversation.Text(conversation.RoleUser, "hi").PlainText())
	require.Empty(t, conversation.Message{}.PlainText())
}
