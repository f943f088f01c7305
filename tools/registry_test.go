package tools_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/toolstest"
)

// plain is a set without optional powers.
type plain struct{ tools.Set }

func registry(t *testing.T, sets map[string]tools.Set, rules tools.Rules) *tools.Registry {
	t.Helper()
	r := tools.NewRegistry()
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	for name, set := range sets {
		require.NoError(t, r.Add(name, set, rules))
	}
	return r
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	r := registry(t, map[string]tools.Set{"orders": &toolstest.Fake{}}, tools.Rules{})
	for _, tt := range []struct {
		name, set string
		rules     tools.Rules
		want      []string
	}{
		{"NoName", "", tools.Rules{}, []string{`tools: add "": the name must be made of`}},
		{"NameWithDot", "a.b", tools.Rules{}, []string{"the name must be made of"}},
		{"LongName", "a234567890123456789012345678901234", tools.Rules{}, []string{"at most 32"}},
		{"Again", "orders", tools.Rules{}, []string{"there is one of that name"}},
		{"NegativeTimeout", "x", tools.Rules{Timeout: -1}, []string{"timeout is -1ns"}},
		{"AllowAll", "x", tools.Rules{Allow: []string{"*"}}, []string{"leave allow out"}},
		{"AskForWhatIsNotAllowed", "x", tools.Rules{Allow: []string{"a"}, Ask: []string{"b"}}, []string{`ask[0] is "b", which is not among`}},
		{"UnknownRetry", "x", tools.Rules{Retry: tools.Retry{"a": "often", "*": "no"}}, []string{`retry is "no": write never, safe or always`, `retry.a is "often"`}},
		{"RetryOfWhatIsNotAllowed", "x", tools.Rules{Allow: []string{"a"}, Retry: tools.Retry{"b": tools.RetryNever, "*": tools.RetrySafe}},
			[]string{"retry.b is of a tool that is not among those that allow names"}},
		{"EmptyNames", "x", tools.Rules{Allow: []string{""}, Ask: []string{""}}, []string{"allow[0] is empty", "ask[0] is empty"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := r.Add(tt.set, &toolstest.Fake{}, tt.rules)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
	require.ErrorContains(t, r.Add("x", nil, tools.Rules{}), "the set is nil")
	require.Equal(t, []string{"orders"}, r.Names())
}

func TestCall(t *testing.T) {
	t.Parallel()
	fake := &toolstest.Fake{}
	r := registry(t, map[string]tools.Set{"orders": fake}, tools.Rules{Allow: []string{"echo"}})
	call := tools.Call{Name: "echo", Arguments: json.RawMessage(`{"text":"hi"}`), Key: "c/1/0", Attempt: 1}

	result, err := r.Call(t.Context(), "orders", call)
	require.NoError(t, err)
	require.Equal(t, tools.Result{Content: `{"text":"hi"}`}, result)
	require.Equal(t, []tools.Call{call}, fake.Calls())

	call.Name = "drop_database"
	result, err = r.Call(t.Context(), "orders", call)
	require.NoError(t, err, "what a model makes up is not a failure of ours")
	require.Equal(t, tools.Result{Content: `There is no tool "drop_database".`, IsError: true}, result)
	require.Len(t, fake.Calls(), 1, "a tool that is not allowed is not called")

	_, err = r.Call(t.Context(), "refunds", call)
	require.Equal(t, conversation.Invalid, conversation.KindOf(err))
	require.ErrorContains(t, err, `no set of tools is named "refunds" (configure it under tools, or use one of "orders")`)
}

func TestCallTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := &toolstest.Fake{OnCall: func(ctx context.Context, _ tools.Call) { <-ctx.Done() }}
		r := tools.NewRegistry()
		require.NoError(t, r.Add("quick", fake, tools.Rules{Timeout: 2 * time.Second}))
		require.NoError(t, r.Add("usual", fake, tools.Rules{}))
		for set, want := range map[string]time.Duration{"quick": 2 * time.Second, "usual": tools.DefaultTimeout} {
			begun := time.Now()
			_, err := r.Call(t.Context(), set, tools.Call{Name: "echo", Key: set})
			require.Equal(t, want, time.Since(begun))
			require.ErrorContains(t, err, "no answer within "+want.String())
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.Equal(t, conversation.Unavailable, ce.Kind)
			require.True(t, ce.Ambiguous)
		}
	})
}

func TestCallGivesErrorsAKind(t *testing.T) {
	t.Parallel()
	fake := &toolstest.Fake{Reply: func(context.Context, tools.Call) (tools.Result, error) {
		return tools.Result{}, errors.New("wires crossed")
	}}
	r := registry(t, map[string]tools.Set{"orders": fake}, tools.Rules{})
	_, err := r.Call(t.Context(), "orders", tools.Call{Name: "echo"})
	var ce *conversation.Error
	require.ErrorAs(t, err, &ce)
	require.Equal(t, conversation.Unavailable, ce.Kind)
	require.True(t, ce.Ambiguous)
	require.EqualError(t, err, `tools: call "echo" of "orders": wires crossed`)
}

func TestClose(t *testing.T) {
	t.Parallel()
	fake := &toolstest.Fake{}
	r := registry(t, map[string]tools.Set{"orders": fake, "other": plain{&toolstest.Fake{}}}, tools.Rules{})
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	require.True(t, fake.Closed())
	require.ErrorContains(t, r.Add("late", fake, tools.Rules{}), "the registry is closed")
	_, err := r.Offer(t.Context(), []string{"orders"})
	require.ErrorContains(t, err, "the registry is closed")
}

// Close does not wait for a listing to time out.
func TestCloseStopsListings(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	fake := &toolstest.Fake{OnList: func(ctx context.Context) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	}}
	r := registry(t, map[string]tools.Set{"orders": fake}, tools.Rules{})
	result := make(chan error, 1)
	go func() {
		_, err := r.Offer(t.Context(), []string{"orders"})
		result <- err
	}()
	<-begun
	require.NoError(t, r.Close())
	require.ErrorContains(t, <-result, "the registry is closed")
}
