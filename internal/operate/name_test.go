package operate_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/workflows"
)

func TestFind(t *testing.T) {
	t.Parallel()
	var s server
	for _, id := range []string{"onerun/pr1/cv1", "onerun/pr1/cv2", "onerun/pr2/cv2", "direct//a/b"} {
		s.put(workflows.ConversationName, id, "run", running)
	}
	s.put(workflows.InboxName, "inbox/onerun/pr1/ag1", "run", running)
	for name, tt := range map[string]struct {
		name string
		want string
		kind operate.FaultKind
		text string
	}{
		"Whole":             {name: "onerun/pr1/cv2", want: "onerun/pr1/cv2"},
		"Bare":              {name: "cv1", want: "onerun/pr1/cv1"},
		"BareWithSlash":     {name: "a/b", want: "direct//a/b"},
		"Spaces":            {name: " cv1 ", want: "onerun/pr1/cv1"},
		"Ambiguous":         {name: "cv2", kind: operate.Ambiguous, text: "onerun/pr1/cv2, onerun/pr2/cv2"},
		"Unknown":           {name: "cv9", kind: operate.NotFound, text: `no conversation "cv9"`},
		"UnknownWhole":      {name: "onerun/pr1/cv9", kind: operate.NotFound, text: `no conversation "onerun/pr1/cv9"`},
		"NotAConversation":  {name: "inbox/onerun/pr1/ag1", kind: operate.NotFound, text: "is an execution of Inbox"},
		"Empty":             {name: "  ", kind: operate.Malformed, text: "empty"},
		"NoPrefixOfAnother": {name: "cv", kind: operate.NotFound, text: "no conversation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := newOperator(&s).Find(t.Context(), tt.name)
			require.Equal(t, tt.kind, operate.KindOf(err))
			require.Equal(t, tt.want, got)
			if tt.text != "" {
				require.ErrorContains(t, err, tt.text)
			}
		})
	}
}

func TestFindWhileTemporalIsDown(t *testing.T) {
	t.Parallel()
	s := &server{down: serviceerror.NewUnavailable("connection refused\nand a wall of text")}
	for _, name := range []string{"cv1", "onerun/pr1/cv1"} {
		_, err := newOperator(s).Find(t.Context(), name)
		require.Equal(t, operate.Unreachable, operate.KindOf(err))
		require.NotContains(t, err.Error(), "\n")
		var unavailable *serviceerror.Unavailable
		require.True(t, errors.As(err, &unavailable))
	}
}
