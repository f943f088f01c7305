package iiifunction_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/iiifunction"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		serves functions
		guard  *iiifunction.Guard
		want   string
	}{
		"There":        {functions{iiifunction.DefaultChat: stalls}, nil, ""},
		"Missing":      {functions{}, nil, "no worker serves agent::chat (start the worker that does"},
		"GuardMissing": {functions{iiifunction.DefaultChat: stalls}, &iiifunction.Guard{}, "no worker serves security::scan_injection"},
		"BothMissing":  {functions{}, &iiifunction.Guard{}, "agent::chat and security::scan_injection"},
		"GuardOpen":    {functions{iiifunction.DefaultChat: stalls}, &iiifunction.Guard{Fail: iiifunction.FailOpen}, ""},
	} {
		for _, era := range []iii.Era{iii.EraA, iii.EraC, iii.EraE, iii.EraF} {
			t.Run(name+era.String(), func(t *testing.T) {
				t.Parallel()
				e := practice(t, era)
				serve(t, e, iii.Options{}, c.serves)
				err := made(t, e, func(cfg *iiifunction.Config) { cfg.Guard = c.guard }).Check(t.Context())
				if c.want == "" {
					require.NoError(t, err)
					return
				}
				require.Equal(t, conversation.Unavailable, conversation.KindOf(err))
				require.ErrorContains(t, err, c.want)
			})
		}
	}
}

func TestCheckWithoutEngine(t *testing.T) {
	t.Parallel()
	e := iiitest.Start(t, iiitest.Options{})
	e.Stop()
	err := made(t, e, nil).Check(t.Context())
	require.Equal(t, conversation.Unavailable, conversation.KindOf(err))
	require.ErrorContains(t, err, "check url, and that the engine is running")
}
