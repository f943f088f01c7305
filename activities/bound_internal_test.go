package activities

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// Whatever a platform knows about a conversation can be recorded: each text is cut to the
// limit, all together to what Temporal takes, and the policy says whether that parks.
func TestContextIsBounded(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 100<<10)
	for name, tt := range map[string]struct {
		set   func(*ContextResult)
		what  string // in the reason to park; empty: it fits
		ended bool
	}{
		"it fits":   {set: func(r *ContextResult) { r.Context.Scenario = "short" }},
		"scenario":  {set: func(r *ContextResult) { r.Context.Scenario = large }, what: "the scenario has 100 KiB"},
		"story":     {set: func(r *ContextResult) { r.Context.Persona.Story = large }, what: "the persona's story has 100 KiB"},
		"attribute": {set: func(r *ContextResult) { r.Context.Persona.Attributes = map[string]string{"job": large} }, what: "an attribute of the persona has 100 KiB"},
		"objective": {set: func(r *ContextResult) {
			r.Context.Objectives = []conversation.Objective{{Name: "short", Criteria: large}}
		}, what: "an objective has 100 KiB"},
		"metadata": {set: func(r *ContextResult) { r.Context.Metadata = json.RawMessage(`"` + large + `"`) }, what: "the metadata has 100 KiB"},
		"message": {set: func(r *ContextResult) {
			r.Messages = []conversation.Message{conversation.Text(conversation.RoleUser, large)}
		}, what: "a message of the user has 100 KiB"},
		"the largest of it": {set: func(r *ContextResult) { r.Context.Scenario, r.Context.Persona.Story = large, large+large }, what: "the persona's story has 200 KiB"},
		"it has ended":      {set: func(r *ContextResult) { r.Context.Scenario = large }, what: "the scenario", ended: true},
	} {
		for _, policy := range []conversation.OnOversize{"", conversation.ParkOversize} {
			t.Run(name+" "+string(policy), func(t *testing.T) {
				t.Parallel()
				out := ContextResult{State: platforms.StateOpen}
				if tt.ended {
					out.State = platforms.StateEnded
				}
				tt.set(&out)
				ContextInput{MaxMessageBytes: 10 << 10, OnOversize: policy}.bound(&out)
				data, err := json.Marshal(out)
				require.NoError(t, err)
				require.Less(t, len(data), 30<<10)
				if tt.what == "" || tt.ended || policy == "" {
					require.Nil(t, out.Park)
					return
				}
				require.Equal(t, conversation.Invalid, out.Park.Kind)
				require.Contains(t, out.Park.Reason, tt.what)
				require.Contains(t, out.Park.Reason, "max_message_bytes allows 10 KiB")
				require.Contains(t, out.Park.Remedy, "starter resume")
			})
		}
	}
}

// However many attributes and objectives a persona has, the context can be recorded.
func TestContextListsAreBounded(t *testing.T) {
	t.Parallel()
	out := ContextResult{State: platforms.StateOpen}
	out.Context.Persona.Attributes = map[string]string{}
	for i := range 5000 {
		text := strings.Repeat("<", 2000) + fmt.Sprint(i)
		out.Context.Persona.Attributes[fmt.Sprint(i, text)] = text
		out.Context.Objectives = append(out.Context.Objectives, conversation.Objective{Name: text, Criteria: text})
	}
	ContextInput{OnOversize: conversation.ParkOversize}.bound(&out)
	data, err := json.Marshal(out)
	require.NoError(t, err)
	require.Less(t, len(data), maxTaken)
	require.Len(t, out.Context.Objectives, maxListed)
	require.Len(t, out.Context.Persona.Attributes, maxListed)
	require.NotNil(t, out.Park)
}
