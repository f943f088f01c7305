package activities

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

func TestJoinTexts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, more, want string }{
		{"Your order number 1042 will", " arrive.", "Your order number 1042 will arrive."},
		{"Your order number 1042 will", "arrive.", "Your order number 1042 will arrive."},
		{"Your order number 1042 will ", "arrive.", "Your order number 1042 will arrive."},
		{"It is 10", "42.", "It is 1042."},
		{"It costs 10", "euros.", "It costs 10 euros."},
		{"Room", "12 is free.", "Room 12 is free."},
		{"One.", "Two.", "One. Two."},
		{"It is", ", as I said, late.", "It is, as I said, late."},
		{"(see", ") above", "(see) above"},
		{"配達は", "明日です。", "配達は明日です。"},
		{"1. milk\n", "2. bread", "1. milk\n2. bread"},
		{"Your order will arrive", "order will arrive tomorrow.", "Your order will arrive tomorrow."},
		{"Your order will arrive", "Your order will arrive tomorrow.", "Your order will arrive tomorrow."},
		{"the the", "the end", "the the the end"}, // too short to be a repetition
		{"", "all", "all"},
	} {
		require.Equal(t, c.want, joinTexts(c.text, c.more), "%q + %q", c.text, c.more)
	}
}

func TestContinued(t *testing.T) {
	t.Parallel()
	text := func(s string) conversation.Message { return conversation.Text(conversation.RoleAssistant, s) }
	partial := text("The parcel")
	partial.CutOff, partial.Cleaned = true, 1
	data := conversation.Part{Type: conversation.PartData, Data: json.RawMessage(`1`)}
	for name, tt := range map[string]struct {
		said conversation.Message
		want []conversation.Part
	}{
		"text":            {text("is late."), text("The parcel is late.").Parts},
		"nothing to add":  {conversation.Message{}, partial.Parts},
		"blank":           {text(" \n"), partial.Parts},
		"data":            {conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{data}}, append(text("The parcel").Parts, data)},
		"two parts":       {conversation.Message{Role: conversation.RoleAssistant, Parts: append(text("is late.").Parts, text("Sorry.").Parts...)}, append(text("The parcel is late.").Parts, text("Sorry.").Parts...)},
		"a call of tools": {conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "1"}}}}, partial.Parts},
	} {
		got := continued(&partial, executors.Result{Message: tt.said}).Message
		require.Equal(t, conversation.Message{Role: conversation.RoleAssistant, Parts: tt.want, Cleaned: 1}, got, name)
	}
	require.Equal(t, "The parcel", partial.Text(), "it is the caller's")
	require.Equal(t, text("all"), continued(nil, executors.Result{Message: text("all")}).Message)
}
