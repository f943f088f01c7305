package function_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/function"
	"github.com/parley-run/parley/tools/toolstest"
)

type text struct {
	Text string `json:"text" jsonschema:"any text"`
}

type nothing struct{}

func newSet(t *testing.T, more ...function.Tool) *function.Set {
	t.Helper()
	set, err := function.New(function.Config{Tools: append(more,
		function.Of(toolstest.Echo, "Says it again.", func(_ context.Context, in text) (string, error) { return in.Text, nil }),
		function.Of(toolstest.Complain, "Fails.", func(_ context.Context, in text) (string, error) { return "", errors.New(in.Text) }),
		function.Of(toolstest.Key, "Tells the key.", func(ctx context.Context, _ nothing) (string, error) {
			return function.CallOf(ctx).Key, nil
		}),
		function.Of(toolstest.Stall, "Waits.", func(ctx context.Context, _ text) (string, error) {
			<-ctx.Done()
			return "", fmt.Errorf("gave up: %w", ctx.Err())
		}),
		function.Of(toolstest.Odd, "Answers with what is no JSON.", func(context.Context, text) (chan int, error) { return nil, nil }),
		function.Of(toolstest.Broken, "Cannot be reached.", func(context.Context, text) (string, error) {
			return "", &conversation.Error{Kind: conversation.Unavailable, Op: "database: query", Err: errors.New("connection refused")}
		}),
	)})
	require.NoError(t, err)
	return set
}

func TestContract(t *testing.T) {
	t.Parallel()
	toolstest.Run(t, toolstest.Fixture{New: func(t *testing.T) tools.Set { return newSet(t) }, Breaks: true, Odd: true})
}

type order struct {
	Number  int       `json:"number" jsonschema:"as on the invoice"`
	Express bool      `json:"express,omitempty"`
	Items   []item    `json:"items"`
	By      time.Time `json:"by,omitzero"`
	Note    *string   `json:"note"`
}

type item struct {
	Name string `json:"name"`
}

func call(t *testing.T, tool function.Tool, arguments string) tools.Result {
	t.Helper()
	listed, err := newSet(t, tool).List(t.Context())
	require.NoError(t, err)
	result, err := newSet(t, tool).Call(t.Context(), tools.Call{Name: listed[0].Name, Arguments: json.RawMessage(arguments)})
	require.NoError(t, err)
	return result
}

func TestArguments(t *testing.T) {
	t.Parallel()
	tool := function.Of("order", "Orders.", func(_ context.Context, in order) (order, error) { return in, nil })
	for _, tt := range []struct{ name, arguments, want string }{
		{"All", `{"number": 9007199254740993, "express": true, "items": [{"name": "kettle"}], "by": "2026-01-02T03:04:05Z", "note": "hi"}`,
			`{"number":9007199254740993,"express":true,"items":[{"name":"kettle"}],"by":"2026-01-02T03:04:05Z","note":"hi"}`},
		{"Required", `{"number": 1, "items": [], "note": null}`, `{"number":1,"items":[],"note":null}`},
		{"Missing", `{"number": 1, "items": []}`, "note"},
		{"Unknown", `{"number": 1, "items": [], "note": null, "colour": "red"}`, "colour"},
		{"UnknownInside", `{"number": 1, "items": [{"name": "kettle", "size": 2}], "note": null}`, "size"},
		{"WrongType", `{"number": "one", "items": [], "note": null}`, "number"},
		{"NoInteger", `{"number": 1.5, "items": [], "note": null}`, "number"},
		{"BadTime", `{"number": 1, "items": [], "note": null, "by": "tomorrow"}`, "tomorrow"},
		{"Nothing", ``, "number"},
		{"Twice", `{"number": 1, "items": [], "note": null} {}`, "after top-level value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			result := call(t, tool, tt.arguments)
			if result.IsError {
				require.Contains(t, result.Content, "The arguments do not fit: ")
				require.Contains(t, result.Content, tt.want)
				return
			}
			require.JSONEq(t, tt.want, result.Content)
		})
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	require.Equal(t, tools.Result{Content: "plain"},
		call(t, function.Of("x", "", func(context.Context, nothing) (string, error) { return "plain", nil }), ``))
	require.Equal(t, tools.Result{Content: `{"name":"kettle"}`},
		call(t, function.Of("x", "", func(context.Context, nothing) (*item, error) { return &item{"kettle"}, nil }), ``))
	require.Equal(t, tools.Result{Content: "sold out", IsError: true},
		call(t, function.Of("x", "", func(context.Context, nothing) (tools.Result, error) {
			return tools.Result{Content: "sold out", IsError: true}, nil
		}), ``))
	require.Equal(t, tools.Result{Content: "the answer is not JSON: json: unsupported type: chan int", IsError: true},
		call(t, function.Of("x", "", func(context.Context, nothing) (chan int, error) { return nil, nil }), ``))
	require.Equal(t, tools.Result{Content: `["a"]`},
		call(t, function.Of("x", "", func(_ context.Context, in map[string]int) ([]string, error) { return []string{"a"}, nil }), `{"k": 1}`))
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		err   error
		retry bool
	}{
		{"Plain", errors.New("no such order"), false},
		{"Unavailable", fmt.Errorf("shop: %w", &conversation.Error{Kind: conversation.Unavailable, Op: "database"}), true},
		{"RateLimited", &conversation.Error{Kind: conversation.RateLimited, RetryAfter: time.Second}, true},
		{"NotFound", &conversation.Error{Kind: conversation.NotFound, Op: "shop"}, false},
		{"ATimeoutOfItsOwn", context.DeadlineExceeded, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set := newSet(t, function.Of("x", "", func(context.Context, nothing) (string, error) { return "lost", tt.err }))
			result, err := set.Call(t.Context(), tools.Call{Name: "x"})
			if tt.retry {
				require.ErrorIs(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tools.Result{Content: tt.err.Error(), IsError: true}, result)
		})
	}
}

func TestIdempotent(t *testing.T) {
	t.Parallel()
	of := func(name string) function.Tool {
		return function.Of(name, "", func(context.Context, nothing) (string, error) { return "", nil })
	}
	set, err := function.New(function.Config{Tools: []function.Tool{of("plain"), of("safe").Idempotent()}})
	require.NoError(t, err)
	r := tools.NewRegistry()
	require.NoError(t, r.Add("set", set, tools.Rules{}))
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	offered, err := r.Offer(t.Context(), []string{"set"})
	require.NoError(t, err)
	require.False(t, offered[0].Repeatable)
	require.True(t, offered[1].Repeatable)
}

func TestPanics(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	set, err := function.New(function.Config{
		Tools:  []function.Tool{function.Of("x", "", func(context.Context, nothing) (string, error) { panic("index 7") })},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	require.NoError(t, err)
	result, err := set.Call(t.Context(), tools.Call{Name: "x"})
	require.NoError(t, err)
	require.Equal(t, tools.Result{Content: `The tool "x" failed unexpectedly.`, IsError: true}, result)
	require.Contains(t, log.String(), `panic="index 7"`)
	require.Contains(t, log.String(), "function_test.go")
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	ok := func(context.Context, nothing) (string, error) { return "", nil }
	_, err := function.New(function.Config{Tools: []function.Tool{
		{},
		function.Of("", "", ok),
		function.Of("twice", "", ok),
		function.Of("twice", "", ok),
		function.Of[nothing, string]("nil", "", nil),
		function.Of("list", "", func(context.Context, []string) (string, error) { return "", nil }),
		function.Of("channel", "", func(context.Context, struct{ C chan int }) (string, error) { return "", nil }),
	}})
	for _, want := range []string{
		"function: Tools[0] is empty: make it with Of", `"": the name is empty`,
		`"twice", and there is one of that name`, `"nil": the function is nil`,
		`"list": the arguments are []string: make them a struct`, `"channel": no schema can be made of`,
	} {
		require.ErrorContains(t, err, want)
	}
}
