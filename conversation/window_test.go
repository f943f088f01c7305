package conversation_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
)

// talk reads messages written as "u1" (the user), "a1" (the agent), "s1" (the system),
// "c:x,y" (calls) and "r:x" (a result). "u1*100" has a text of 100 bytes.
func talk(line string) []conversation.Message {
	var out []conversation.Message
	for _, word := range strings.Fields(line) {
		name, length, long := strings.Cut(word, "*")
		text, n := name, 0
		if long {
			_, _ = fmt.Sscan(length, &n)
			text += strings.Repeat(".", n-len(name))
		}
		switch {
		case strings.HasPrefix(name, "c:"):
			m := conversation.Message{Role: conversation.RoleAssistant}
			for _, id := range strings.Split(name[2:], ",") {
				m.Parts = append(m.Parts, conversation.Part{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{
					ID: id, Name: "find", Arguments: json.RawMessage(`{}`),
				}})
			}
			out = append(out, m)
		case strings.HasPrefix(name, "r:"):
			out = append(out, conversation.ToolResultMessage(conversation.ToolResult{CallID: name[2:], Content: text}))
		default:
			role := map[byte]conversation.Role{'u': conversation.RoleUser, 'a': conversation.RoleAssistant, 's': conversation.RoleSystem}[name[0]]
			out = append(out, conversation.Text(role, text))
		}
	}
	return out
}

// told writes messages as talk reads them. Results that were left out end with "-", those
// that were cut with "/".
func told(messages []conversation.Message) string {
	var out []string
	for _, m := range messages {
		var word []string
		for _, p := range m.Parts {
			switch {
			case p.ToolCall != nil && len(word) > 0 && strings.HasPrefix(word[0], "c:"):
				word[0] += "," + p.ToolCall.ID
			case p.ToolCall != nil:
				word = append(word, "c:"+p.ToolCall.ID)
			case p.ToolResult != nil:
				end := ""
				switch {
				case strings.Contains(p.ToolResult.Content, "left out"):
					end = "-"
				case strings.Contains(p.ToolResult.Content, "bytes cut"):
					end = "/"
				}
				word = append(word, "r:"+p.ToolResult.CallID+end)
			default:
				word = append(word, strings.TrimRight(p.Text, "."))
			}
		}
		out = append(out, strings.Join(word, "+"))
	}
	return strings.Join(out, " ")
}

func TestWindow(t *testing.T) {
	t.Parallel()
	const tenRounds = "u0 a1 u2 a3 u4 a5 u6 a7 u8 a9 u10"
	for name, tt := range map[string]struct {
		in     string
		bounds conversation.Bounds
		want   string
		least  bool
	}{
		"no bounds":                          {in: tenRounds, want: tenRounds},
		"fits":                               {in: tenRounds, bounds: conversation.Bounds{Messages: 11}, want: tenRounds},
		"the first and the newest":           {in: tenRounds, bounds: conversation.Bounds{Messages: 5}, want: "u0 a7 u8 a9 u10"},
		"the roles alternate":                {in: tenRounds, bounds: conversation.Bounds{Messages: 6}, want: "u0 a7 u8 a9 u10"},
		"three":                              {in: tenRounds, bounds: conversation.Bounds{Messages: 3}, want: "u0 a9 u10"},
		"no room for a reply":                {in: tenRounds, bounds: conversation.Bounds{Messages: 2}, want: "u10", least: true},
		"one":                                {in: tenRounds, bounds: conversation.Bounds{Messages: 1}, want: "u10", least: true},
		"the agent opened":                   {in: "a0 u1 a2 u3 a4 u5", bounds: conversation.Bounds{Messages: 4}, want: "u3 a4 u5"},
		"the agent opened, one reply":        {in: "a0 u1", bounds: conversation.Bounds{Messages: 1}, want: "u1", least: true},
		"the system's stay":                  {in: "s0 u1 a2 u3 a4 u5", bounds: conversation.Bounds{Messages: 4}, want: "s0 u1 a4 u5"},
		"the system's stay with the newest":  {in: "s0 u1 a2 u3", bounds: conversation.Bounds{Messages: 1}, want: "s0 u3", least: true},
		"only the agent spoke":               {in: "a0 a1 a2", bounds: conversation.Bounds{Messages: 1}, want: "a0 a1 a2", least: true},
		"the agent spoke last":               {in: "u0 a1 u2 a3", bounds: conversation.Bounds{Messages: 1}, want: "u2 a3", least: true},
		"nothing":                            {in: "", bounds: conversation.Bounds{Messages: 1}, want: "", least: true},
		"the turn stays whole":               {in: "u0 a1 u2 c:x,y r:x r:y c:z r:z", bounds: conversation.Bounds{Messages: 2}, want: "u2 c:x,y r:x r:y c:z r:z", least: true},
		"calls stay with their results":      {in: "u0 c:x r:x a1 u2 a3 u4", bounds: conversation.Bounds{Messages: 6}, want: "u0 a1 u2 a3 u4"},
		"a call follows the first":           {in: "u0 a1 u2 c:x r:x a3 u4", bounds: conversation.Bounds{Messages: 5}, want: "u0 c:x r:x a3 u4"},
		"two messages of the user in a row":  {in: "u0 a1 u2 u3 a4 u5", bounds: conversation.Bounds{Messages: 5}, want: "u0 a4 u5"},
		"a marker with the first":            {in: tenRounds, bounds: conversation.Bounds{Messages: 3, Marker: "(cut)"}, want: "u0+(cut) a9 u10"},
		"a marker without it":                {in: tenRounds, bounds: conversation.Bounds{Messages: 1, Marker: "(cut)"}, want: "(cut)+u10", least: true},
		"no marker where nothing is missing": {in: "u0 a1", bounds: conversation.Bounds{Messages: 2, Marker: "(cut)"}, want: "u0 a1", least: true},
		"bytes":                              {in: "u0*100 a1*100 u2*100 a3*100 u4*100", bounds: conversation.Bounds{Bytes: 3 * 196}, want: "u0 a3 u4"},
		"a long first message goes":          {in: "u0*5000 a1*100 u2*100 a3*100 u4*100", bounds: conversation.Bounds{Bytes: 5500}, want: "u2 a3 u4"},
		"the newest goes out, however long":  {in: "u0 a1 u2*5000", bounds: conversation.Bounds{Bytes: 100}, want: "u2", least: true},
		"the newest alone":                   {in: "u2*5000", bounds: conversation.Bounds{Bytes: 100}, want: "u2", least: true},
		"older results are left out": {
			in: "u0 c:x r:x*4000 c:y r:y*4000", bounds: conversation.Bounds{Bytes: 5000}, want: "u0 c:x r:x- c:y r:y",
		},
		"the newest results are cut": {
			in: "u0 c:x r:x*4000 c:y,z r:y*4000 r:z*4000", bounds: conversation.Bounds{Bytes: 4000}, want: "u0 c:x r:x- c:y,z r:y/ r:z/",
		},
		"and left out where little would remain": {
			in: "u0 c:x r:x*4000 c:y r:y*4000", bounds: conversation.Bounds{Bytes: 700}, want: "u0 c:x r:x- c:y r:y-", least: true,
		},
		"short results stay": {in: "u0 c:x r:x c:y r:y", bounds: conversation.Bounds{Bytes: 10}, want: "u0 c:x r:x c:y r:y", least: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := talk(tt.in)
			before, _ := json.Marshal(in)
			got := tt.bounds.Window(in)
			require.Equal(t, tt.want, told(got.Messages))
			require.Equal(t, tt.least, got.Least)
			require.Equal(t, tt.want == told(in), got.Whole)
			after, _ := json.Marshal(in)
			require.Equal(t, string(before), string(after), "the messages are the caller's")
		})
	}
}

// Whatever the conversation and the bounds: the newest message is there, the first that is
// left is the user's where something was left out, the roles alternate where they did, and
// halving what was sent comes to an end soon.
func TestWindowHolds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		draw := rand.New(rand.NewPCG(seed, 1))
		in := talk(randomTalk(draw))
		bounds := conversation.Bounds{Messages: draw.IntN(len(in) + 1)}
		for steps := 0; ; steps++ {
			w := bounds.Window(in)
			holds(t, in, w)
			if w.Least {
				require.LessOrEqual(t, steps, 20)
				break
			}
			bounds.Bytes = w.Size() / 2
		}
	}
}

func randomTalk(draw *rand.Rand) string {
	var words []string
	if draw.IntN(2) == 0 {
		words = append(words, "a*200")
	}
	size := func() int { return 20 + draw.IntN(3000) }
	for i := range 1 + draw.IntN(12) {
		words = append(words, fmt.Sprintf("u*%d", size()))
		for j := range draw.IntN(3) {
			words = append(words, fmt.Sprintf("c:%d.%d", i, j), fmt.Sprintf("r:%d.%d*%d", i, j, size()))
		}
		words = append(words, fmt.Sprintf("a*%d", size()))
	}
	if draw.IntN(4) > 0 {
		words = words[:len(words)-1] // its last reply is still to come
	}
	return strings.Join(words, " ")
}

func holds(t *testing.T, in []conversation.Message, w conversation.Window) {
	t.Helper()
	last := in[len(in)-1]
	require.Equal(t, last.Role, w.Messages[len(w.Messages)-1].Role)
	if last.Role != conversation.RoleTool {
		require.Equal(t, last, w.Messages[len(w.Messages)-1])
	}
	if len(w.Messages) < len(in) {
		require.Equal(t, conversation.RoleUser, w.Messages[0].Role)
	}
	open := map[string]bool{}
	for i, m := range w.Messages {
		require.False(t, i > 0 && m.Role != conversation.RoleTool && m.Role == w.Messages[i-1].Role, told(w.Messages))
		for _, p := range m.Parts {
			if p.ToolCall != nil {
				open[p.ToolCall.ID] = true
			}
			if p.ToolResult != nil {
				require.True(t, open[p.ToolResult.CallID], "a result without its call: %s", told(w.Messages))
				delete(open, p.ToolResult.CallID)
			}
		}
	}
	require.Empty(t, open, "a call without its result: %s", told(w.Messages))
}

func TestAlternating(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                     "",
		"u0 a1 u2":             "u0 a1 u2",
		"u0 u1 a2 a3 u4":       "u0+u1 a2+a3 u4",
		"u0 u1 u2":             "u0+u1+u2",
		"u0 a1 c:x r:x a2":     "u0 a1+c:x r:x a2",
		"u0 c:x r:x r:y a2":    "u0 c:x r:x r:y a2",
		"u0 c:x c:y r:x r:y":   "u0 c:x c:y r:x r:y",
		"u0 c:x a1":            "u0 c:x a1",
		"s0 s1 u2":             "s0+s1 u2",
		"u0 c:x r:x u1 u2":     "u0 c:x r:x u1+u2",
		"u0 c:x r:x a1 a2 c:y": "u0 c:x r:x a1+a2+c:y",
	} {
		got := told(conversation.Alternating(talk(in)))
		require.Equal(t, want, got, in)
	}
}
