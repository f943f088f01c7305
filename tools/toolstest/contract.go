package toolstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/tools"
)

// The tools of a set under test.
const (
	// Echo returns its argument "text".
	Echo = "echo"
	// Complain returns its argument "text" as a tool's failure.
	Complain = "complain"
	// Key returns the key of the call, or nothing if the kind passes none on.
	Key = "key"
	// Stall reaches the tool and blocks until the call is abandoned.
	Stall = "stall"
	// Broken cannot be reached: its result is unknown.
	Broken = "broken"
	// Odd does its work once and gives an answer that breaks the rules of its kind: of
	// another shape than announced, for instance.
	Odd = "odd"
)

// A Fixture gives the suite sets of one kind.
type Fixture struct {
	// New returns a set with the tools Echo, Complain, Key and Stall, and Broken if
	// Breaks is set. Every case calls it.
	New func(t *testing.T) tools.Set
	// Breaks means that failures other than the tool's own are possible.
	Breaks bool
	// Odd means that the sets have the tool Odd.
	Odd bool
	// Secrets are the secrets that the sets were made with. No error, result or set
	// printed with fmt may contain them.
	Secrets []string
}

// promptly is the allowed delay between the end of a context and the return. It is
// long because test machines are slow.
const promptly = 5 * time.Second

// slowest bounds how long a call may take to reach its tool.
const slowest = 30 * time.Second

// Run tests the contract. Each case quotes one sentence of it.
func Run(t *testing.T, f Fixture) {
	t.Helper()
	s := suite{f}
	for _, c := range []struct {
		name string
		test func(*testing.T)
	}{
		{"ListsItsTools", s.lists},
		{"AnswersWithWhatTheToolGave", s.answers},
		{"ShowsTheModelTheToolsFailure", s.complains},
		{"ShowsTheModelThatThereIsNoSuchTool", s.unknown},
		{"ShowsTheModelThatTheArgumentsAreWrong", s.misfits},
		{"TakesNoArguments", s.none},
		{"PassesTheKeyOn", s.keys},
		{"FailsWhereNobodyKnowsTheAnswer", s.breaks},
		{"TakesAnyAnswerForFinal", s.odd},
		{"WasNotCalledOnceClosed", s.closed},
		{"RunsCallsSideBySide", s.concurrent},
		{"ReturnsWhenTheContextIsDoneBefore", s.doneBefore},
		{"ReturnsWhenTheContextIsCancelled", s.cancelled},
		{"ReturnsWhenTheDeadlineHasPassed", s.deadline},
		{"ChecksCheaply", s.checks},
		{"PrintsNoSecrets", s.printed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t)
		})
	}
}

type suite struct{ Fixture }

// Make returns a call for tests: attempt 1, with a text as the argument.
func Make(tool, key, text string) tools.Call {
	arguments, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		panic(err)
	}
	return tools.Call{
		Conversation: conversation.Ref{Platform: "test", Project: "p1", Agent: "a1", ID: "c1"},
		Name:         tool, Arguments: arguments, Key: key, Attempt: 1,
	}
}

// "List describes the current tools."
func (s suite) lists(t *testing.T) {
	set := s.New(t)
	for range 2 {
		listed, err := set.List(t.Context())
		require.NoError(t, err)
		found := map[string]conversation.Tool{}
		for _, tool := range listed {
			require.NotEmpty(t, tool.Name)
			require.NotContains(t, found, tool.Name)
			found[tool.Name] = tool
			if tool.Schema != nil {
				var schema map[string]any
				require.NoError(t, json.Unmarshal(tool.Schema, &schema), "the schema of %s is an object", tool.Name)
				require.Equal(t, "object", schema["type"], tool.Name)
			}
		}
		for _, name := range []string{Echo, Complain, Key, Stall} {
			require.Contains(t, found, name)
		}
		require.NotEmpty(t, found[Echo].Description)
		require.Contains(t, string(found[Echo].Schema), `"text"`)
	}
}

// "Result is the result of a tool."
func (s suite) answers(t *testing.T) {
	set := s.New(t)
	for _, text := range []string{"hello", "größer\nund \"kleiner\" <&>", ""} {
		result, err := set.Call(t.Context(), Make(Echo, "k", text))
		require.NoError(t, err)
		require.Equal(t, tools.Result{Content: text}, result)
	}
}

// "IsError means that the tool failed in a way the model should know."
func (s suite) complains(t *testing.T) {
	result, err := s.New(t).Call(t.Context(), Make(Complain, "k", "no such order"))
	require.NoError(t, err)
	require.True(t, result.IsError)
	require.Contains(t, result.Content, "no such order")
	s.noSecrets(t, result.Content)
}

func (s suite) unknown(t *testing.T) {
	set := s.New(t)
	result, err := set.Call(t.Context(), Make("made_up", "k", "hello"))
	require.NoError(t, err)
	require.True(t, result.IsError)
	require.Contains(t, result.Content, "made_up")
	s.works(t, set)
}

func (s suite) misfits(t *testing.T) {
	set := s.New(t)
	for _, arguments := range []string{`{"text": 7}`, `{}`, `[]`, `"hello"`, `{"text"`} {
		call := Make(Echo, "k", "")
		call.Arguments = json.RawMessage(arguments)
		result, err := set.Call(t.Context(), call)
		require.NoError(t, err, arguments)
		require.True(t, result.IsError, arguments)
		require.NotEmpty(t, result.Content)
	}
	s.works(t, set)
}

func (s suite) none(t *testing.T) {
	set := s.New(t)
	for _, arguments := range []string{``, `null`, `{}`} {
		call := Make(Key, "k", "")
		call.Arguments = json.RawMessage(arguments)
		result, err := set.Call(t.Context(), call)
		require.NoError(t, err, arguments)
		require.False(t, result.IsError, "%s: %s", arguments, result.Content)
	}
}

// "Tools that take an idempotency key receive it."
func (s suite) keys(t *testing.T) {
	set := s.New(t)
	for attempt := 1; attempt <= 2; attempt++ {
		call := Make(Key, "test/p1/c1/3/0", "")
		call.Arguments, call.Attempt = nil, attempt
		result, err := set.Call(t.Context(), call)
		require.NoError(t, err)
		require.Equal(t, "test/p1/c1/3/0", result.Content)
	}
}

// "Errors are [conversation.Error] values with the kind that fits."
func (s suite) breaks(t *testing.T) {
	if !s.Breaks {
		t.Skip("this kind of set cannot break")
	}
	set := s.New(t)
	_, err := set.Call(t.Context(), Make(Broken, "k", "hello"))
	s.unavailable(t, err)
}

// "An answer that arrived is a [Result], readable or not".
func (s suite) odd(t *testing.T) {
	if !s.Odd {
		t.Skip("this kind of set has no such tool")
	}
	set := s.New(t)
	result, err := set.Call(t.Context(), Make(Odd, "k", "hello"))
	require.NoError(t, err)
	require.NotEmpty(t, result.Content)
	s.noSecrets(t, result.Content)
	s.works(t, set)
}

// "those of Call are Ambiguous unless the tool was provably not called": a closed set
// calls nothing.
func (s suite) closed(t *testing.T) {
	set := s.New(t)
	c, ok := set.(io.Closer)
	if !ok {
		t.Skip("this kind of set cannot be closed")
	}
	s.works(t, set)
	require.NoError(t, c.Close())
	if _, err := set.Call(t.Context(), Make(Echo, "k", "hello")); err != nil {
		s.unavailable(t, err)
		s.ambiguous(t, err, false)
	}
}

// "Its methods are safe for concurrent use". Run the suite with -race.
func (s suite) concurrent(t *testing.T) {
	set := s.New(t)
	var (
		errs  = make([]error, 16)
		group sync.WaitGroup
	)
	for i := range errs {
		group.Go(func() {
			for n := range 3 {
				text := fmt.Sprintf("%d of %d", n, i)
				result, err := set.Call(t.Context(), Make(Echo, text, text))
				if err == nil && result.Content != text {
					err = fmt.Errorf("got %q for %q", result.Content, text)
				}
				_, listErr := set.List(t.Context())
				errs[i] = errors.Join(errs[i], err, listErr)
			}
		})
	}
	group.Wait()
	require.NoError(t, errors.Join(errs...))
}

// "return promptly once ctx is done", with an error that wraps ctx.Err.
func (s suite) doneBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	set := s.New(t)
	_, err := set.Call(ctx, Make(Echo, "k", "hello"))
	require.ErrorIs(t, err, context.Canceled)
	s.unavailable(t, err)
	s.ambiguous(t, err, false)
	_, err = set.List(ctx)
	require.ErrorIs(t, err, context.Canceled)
	s.unavailable(t, err)
	s.works(t, set)
}

func (s suite) cancelled(t *testing.T) {
	s.stalls(t, context.Canceled, func(after time.Duration) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(after, cancel)
		return ctx, cancel
	})
}

func (s suite) deadline(t *testing.T) {
	s.stalls(t, context.DeadlineExceeded, func(after time.Duration) (context.Context, context.CancelFunc) {
		return context.WithTimeout(t.Context(), after)
	})
}

// stalls gives a call up that has reached its tool: the tool was called, and the error is
// ambiguous. A machine may be so slow that the call has not been made by then.
func (s suite) stalls(t *testing.T, want error, giveUp func(after time.Duration) (context.Context, context.CancelFunc)) {
	t.Helper()
	set := s.New(t)
	s.works(t, set) // to complete what takes time
	var ce *conversation.Error
	for after := 300 * time.Millisecond; after < slowest && (ce == nil || !ce.Ambiguous); after *= 4 {
		ctx, cancel := giveUp(after)
		result := make(chan error, 1)
		go func() {
			_, err := set.Call(ctx, Make(Stall, "k", ""))
			result <- err
		}()
		<-ctx.Done()
		select {
		case err := <-result:
			require.ErrorIs(t, err, want)
			s.unavailable(t, err)
			require.ErrorAs(t, err, &ce)
		case <-time.After(promptly):
			require.Fail(t, "Call did not return although its context was done")
		}
		cancel()
	}
	s.ambiguous(t, ce, true)
	s.works(t, set)
}

// A Checker of a working set returns nil, and heeds its context.
func (s suite) checks(t *testing.T) {
	c, ok := s.New(t).(tools.Checker)
	if !ok {
		t.Skip("this kind of set has no Check")
	}
	require.NoError(t, c.Check(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.Check(ctx), context.Canceled)
}

// No printed value shows a secret.
func (s suite) printed(t *testing.T) {
	set := s.New(t)
	s.works(t, set)
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		s.noSecrets(t, fmt.Sprintf(verb, set))
	}
}

// works requires that the set still works.
func (s suite) works(t *testing.T, set tools.Set) {
	t.Helper()
	result, err := set.Call(t.Context(), Make(Echo, "works", "fine"))
	require.NoError(t, err)
	require.Equal(t, tools.Result{Content: "fine"}, result)
}

func (s suite) unavailable(t *testing.T, err error) {
	t.Helper()
	var ce *conversation.Error
	require.ErrorAs(t, err, &ce)
	require.Equal(t, conversation.Unavailable, ce.Kind, "%v", err)
	require.NotEmpty(t, ce.Op, "the error says what was tried")
	s.noSecrets(t, err.Error(), fmt.Sprintf("%+v", ce), fmt.Sprintf("%#v", ce))
}

// ambiguous requires that the error says whether the tool may have been called.
func (s suite) ambiguous(t *testing.T, err error, want bool) {
	t.Helper()
	var ce *conversation.Error
	require.ErrorAs(t, err, &ce)
	require.Equal(t, want, ce.Ambiguous, "%v", err)
}

func (s suite) noSecrets(t *testing.T, texts ...string) {
	t.Helper()
	for _, secret := range s.Secrets {
		for _, text := range texts {
			require.NotContains(t, text, secret)
		}
	}
}
