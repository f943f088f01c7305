package toolstest_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/toolstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The fake keeps the contract as well, with these replies.
func TestContract(t *testing.T) {
	t.Parallel()
	toolstest.Run(t, toolstest.Fixture{
		Breaks: true,
		New: func(*testing.T) tools.Set {
			f := &toolstest.Fake{Reply: reply}
			for _, name := range []string{toolstest.Echo, toolstest.Complain, toolstest.Key, toolstest.Stall, toolstest.Broken} {
				f.Tools = append(f.Tools, toolstest.Tool(name))
			}
			return f.Fail(toolstest.Broken, &conversation.Error{Kind: conversation.Unavailable, Op: "fake: call", Ambiguous: true})
		},
	})
}

func reply(ctx context.Context, call tools.Call) (tools.Result, error) {
	var in struct{ Text *string }
	err := json.Unmarshal(call.Arguments, &in)
	switch {
	case call.Name == toolstest.Key:
		return tools.Result{Content: call.Key}, nil
	case call.Name == toolstest.Stall:
		<-ctx.Done()
		return tools.Result{}, &conversation.Error{Kind: conversation.Unavailable, Op: "fake: call", Ambiguous: true, Err: ctx.Err()}
	case err != nil || in.Text == nil:
		return tools.Result{Content: "that does not fit", IsError: true}, nil
	case call.Name == toolstest.Echo:
		return tools.Result{Content: *in.Text}, nil
	}
	return tools.Result{Content: call.Name + ": " + *in.Text, IsError: true}, nil
}

func TestFakeCounts(t *testing.T) {
	t.Parallel()
	lost := &conversation.Error{Kind: conversation.Unavailable, Op: "x", Ambiguous: true}
	refused := errors.New("connection refused")
	for _, tt := range []struct {
		name       string
		idempotent bool
		errs       []error
		attempts   int
		runs       int
	}{
		{"Once", false, nil, 1, 1},
		{"FailsBefore", false, []error{refused, refused}, 3, 1},
		{"FailsAfter", false, []error{refused, lost}, 3, 2},
		{"FailsAfterButTakesKeys", true, []error{refused, lost}, 3, 1},
		{"CalledAgain", false, nil, 2, 2},
		{"CalledAgainButTakesKeys", true, nil, 2, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := &toolstest.Fake{Idempotent: tt.idempotent}
			f.Fail("echo", tt.errs...)
			for i := range tt.attempts {
				call := toolstest.Make("echo", "k", "hello")
				call.Attempt = i + 1
				result, err := f.Call(t.Context(), call)
				if i < len(tt.errs) {
					require.Equal(t, tt.errs[i], err)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, tools.Result{Content: `{"text":"hello"}`}, result)
			}
			require.Equal(t, map[string]int{"k": tt.runs}, f.Runs())
			require.Equal(t, tt.runs-1, f.Duplicates())
			require.Len(t, f.Attempts("k"), tt.attempts)
			require.Len(t, f.Calls(), tt.attempts)
		})
	}
}
