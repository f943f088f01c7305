package conversation_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
)

func TestRefValidate(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 256)
	for name, test := range map[string]struct {
		ref  conversation.Ref
		want string
	}{
		"complete":      {conversation.Ref{Platform: "main", Project: "pr_1", Simulation: "sim_1", Agent: "ag_1", ID: "cv_1"}, ""},
		"least":         {conversation.Ref{Platform: "main", ID: "cv_1"}, ""},
		"empty":         {conversation.Ref{}, "platform is empty"},
		"no id":         {conversation.Ref{Platform: "main"}, "id is empty"},
		"slash":         {conversation.Ref{Platform: "main", Project: "a/b", ID: "cv_1"}, `project must not contain "/"`},
		"not printable": {conversation.Ref{Platform: "main", ID: "cv\n1"}, "not printable ASCII"},
		"simulation":    {conversation.Ref{Platform: "main", Simulation: long, ID: "cv_1"}, "simulation has more than the 255 characters"},
		"agent":         {conversation.Ref{Platform: "main", Agent: long, ID: "cv_1"}, "agent has more than the 255 characters"},
		"as long as may be": {conversation.Ref{
			Platform: "main", Simulation: strings.Repeat("ü", 255), Agent: strings.Repeat("a", 255), ID: "cv_1",
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.ref.Validate()
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
		})
	}
}
