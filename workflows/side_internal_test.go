package workflows

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	for chosen, want := range map[Side]side{
		SidePlatform: &platformSide{}, SideTransport: &transportSide{}, SideDirect: &directSide{}, SideTask: &taskSide{},
	} {
		r := &run{in: ConversationInput{Side: chosen}}
		r.choose()
		require.IsType(t, want, r.side)
		require.Equal(t, chosen != SidePlatform, r.onlyCopy, chosen)
	}
}
