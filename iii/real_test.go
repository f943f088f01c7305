package iii_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

// An engine drops an answer that comes before it has recorded the call.
func TestAnswersAreNotTooEarly(t *testing.T) {
	t.Parallel()
	bubble(t, iiitest.Options{}, func(t *testing.T, e *iiitest.Engine) {
		w := dial(t, e, iii.Options{})
		defer w.Close()
		_, err := w.RegisterFunction(iii.Function{ID: "t::echo", Handler: echo})
		require.NoError(t, err)
		synctest.Wait()
		began := time.Now()
		result, err := w.Invoke(t.Context(), "t::echo", []int{1})
		require.NoError(t, err)
		require.JSONEq(t, `[1]`, string(result))
		require.LessOrEqual(t, time.Since(began), 2*time.Millisecond)
		_, err = w.Invoke(t.Context(), "t::none", nil)
		require.True(t, iii.HasCode(err, iii.CodeFunctionNotFound), "%v", err)
	})
}

// Nothing is written without the permit, which is requested again when it is too old.
func TestPermit(t *testing.T) {
	t.Parallel()
	bubble(t, iiitest.Options{}, func(t *testing.T, e *iiitest.Engine) {
		w := dial(t, e, iii.Options{})
		defer w.Close()
		_, err := w.RegisterFunction(iii.Function{ID: "t::echo", Handler: echo})
		require.NoError(t, err)
		synctest.Wait()
		lost := errors.New("the lease is lost")
		_, err = w.Invoke(t.Context(), "t::echo", nil, iii.Permit(func(context.Context) error { return lost }))
		require.ErrorIs(t, err, iii.ErrNotSent)
		require.ErrorIs(t, err, lost)
		require.NotContains(t, sent(e, w.ID())[2:], "invokefunction")

		// A slow permit delays no other call.
		ask := make(chan error)
		answer := make(chan error, 1)
		go func() {
			_, err := w.Invoke(t.Context(), "t::echo", nil, iii.Permit(func(context.Context) error { return <-ask }))
			answer <- err
		}()
		synctest.Wait()
		_, err = w.Invoke(t.Context(), "t::echo", nil)
		require.NoError(t, err)
		ask <- nil
		require.NoError(t, <-answer)

		// One that was given before the connection broke is not fresh after it.
		var asked atomic.Int32
		e.Stop()
		synctest.Wait()
		go func() {
			_, err := w.Invoke(t.Context(), "t::echo", nil, iii.Timeout(time.Minute), iii.Permit(func(context.Context) error {
				asked.Add(1)
				return nil
			}))
			answer <- err
		}()
		time.Sleep(5 * time.Second)
		require.Zero(t, asked.Load(), "there is no connection to write to")
		require.NoError(t, e.Start())
		require.NoError(t, <-answer)
		require.EqualValues(t, 1, asked.Load())
	})
}

// A call given up while its permit is asked for is not written.
func TestPermitOfACallGivenUp(t *testing.T) {
	t.Parallel()
	bubble(t, iiitest.Options{}, func(t *testing.T, e *iiitest.Engine) {
		w := dial(t, e, iii.Options{})
		defer w.Close()
		synctest.Wait()
		ask := make(chan error)
		_, err := w.Invoke(t.Context(), "t::echo", nil, iii.Timeout(time.Second), iii.Permit(func(context.Context) error { return <-ask }))
		require.ErrorIs(t, err, iii.ErrNotSent)
		ask <- nil
		synctest.Wait()
		require.Equal(t, []string{"invokefunction"}, sent(e, w.ID()), "the worker's description alone")
	})
}

// A durable topic on engines from 0.11: without a subscriber a message is lost, and the
// triggers of one function share each message.
func TestTopicsWithoutASubscriber(t *testing.T) {
	t.Parallel()
	eachEra(t, func(t *testing.T, e *iiitest.Engine, era iii.Era) {
		w := connect(t, e, iii.Options{})
		got := make(chan string, 10)
		serve(t, e, w, "t::in", func(_ context.Context, call iii.Invocation) (any, error) { got <- string(call.Data); return nil, nil })
		require.NoError(t, w.PublishDurable(soon(t), "inbox", 1))
		for _, id := range []string{"a", "b"} {
			trigger := iii.QueueTrigger("inbox", "t::in")
			trigger.ID = id
			_, err := w.RegisterTrigger(trigger)
			require.NoError(t, err)
		}
		d, err := w.Dialect(soon(t))
		require.NoError(t, err)
		until(t, e, "bound", func() bool { return e.Bound(d.QueueTrigger, "t::in") == 2 })
		require.NoError(t, w.PublishDurable(soon(t), "inbox", 2))
		if era < iii.EraC {
			require.ElementsMatch(t, []string{"1", "2"}, []string{<-got, <-got})
		} else {
			require.Len(t, e.Unread(), 1)
			require.Equal(t, "2", <-got)
		}
		require.Empty(t, got)
	})
}

// A trigger bound by engine::register_trigger outlives its worker, from 0.21.3 on.
func TestTriggersThatOutliveTheirWorker(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{Era: iii.EraD})
	first := connect(t, e, iii.Options{})
	kept, err := first.KeepTrigger(soon(t), iii.QueueTrigger("inbox", "t::in"))
	require.NoError(t, err)
	require.True(t, kept)
	first.Close()
	second := connect(t, e, iii.Options{})
	kept, err = second.KeepTrigger(soon(t), iii.QueueTrigger("inbox", "t::in"))
	require.NoError(t, err)
	require.True(t, kept)
	require.Equal(t, 1, e.Bound("durable:subscriber", "t::in"), "not once more for each worker")
	require.NoError(t, second.PublishDurable(soon(t), "inbox", 1))
	got := make(chan string, 1)
	serve(t, e, second, "t::in", func(_ context.Context, call iii.Invocation) (any, error) { got <- string(call.Data); return nil, nil })
	require.Equal(t, "1", <-got)

	old := engine(t, iiitest.Options{Era: iii.EraC})
	kept, err = connect(t, old, iii.Options{}).KeepTrigger(soon(t), iii.QueueTrigger("inbox", "t::in"))
	require.NoError(t, err)
	require.False(t, kept, "there is no such thing")
}

// What an engine is called by is found out as far as its access rules let it be.
func TestDialectBehindAccessRules(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		era    iii.Era
		expose []string
		want   string
	}{
		{"nothing", iii.EraC, nil, "C"},
		{"nothing, with a token", iii.EraD, nil, "D"},
		{"the list", iii.EraC, []string{"engine::functions::list"}, "C"},
		{"the list and its kind", iii.EraC, []string{"engine::*"}, "C"},
		{"publishing", iii.EraC, []string{"iii::durable::publish"}, "C"},
		{"all", iii.EraE, []string{"*"}, "E"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			e := engine(t, iiitest.Options{Era: row.era, Access: func(*http.Request) *iiitest.Access {
				return &iiitest.Access{Expose: row.expose, Prefix: "acme"}
			}})
			w := connect(t, e, iii.Options{})
			d, err := w.Dialect(soon(t))
			require.NoError(t, err)
			require.Equal(t, row.want, d.Era.String())
			require.Equal(t, "durable:subscriber", d.QueueTrigger)
			served := make(chan string, 1)
			_, err = w.RegisterFunction(iii.Function{ID: "t::in", Handler: func(_ context.Context, call iii.Invocation) (any, error) {
				served <- call.FunctionID
				return nil, nil
			}})
			require.NoError(t, err)
			_, err = w.RegisterTrigger(iii.QueueTrigger("inbox", "t::in"))
			require.NoError(t, err)
			until(t, e, "bound", func() bool { return e.Serves("", "acme::t::in") && e.Bound("durable:subscriber", "acme::t::in") == 1 })
			require.NoError(t, e.PublishDurable("inbox", 1))
			require.Equal(t, "t::in", <-served, "the prefix is the engine's business")
		})
	}
}

// Another's text does not reach a terminal as it is.
func TestErrorsArePrintable(t *testing.T) {
	t.Parallel()
	err := &iii.Error{Code: "a\x1b[2J", Message: "b\x1b]0;title\x07\nc\u202ed"}
	require.False(t, strings.ContainsAny(err.Error(), "\x1b\x07\n\u202e"), "%q", err.Error())
	require.Contains(t, err.Message, "\x1b")
}

// A call that cannot be read is answered, and the connection goes on.
func TestUnreadableCallsAreAnswered(t *testing.T) {
	t.Parallel()
	e := engine(t, iiitest.Options{})
	w := connect(t, e, iii.Options{})
	id := "2b1f6f9e-6a53-4f0b-9f2b-0c8d0f6a7e11"
	e.Send(`{"type":"invokefunction","invocation_id":"` + id + `","function_id":"t::in","data":{},"namespace":7}`)
	until(t, e, "answered", func() bool { return slices.Contains(sent(e, w.ID()), "invocationresult") })
	answer := last(t, e, "invocationresult")
	require.Equal(t, id, answer["invocation_id"])
	require.Equal(t, iii.CodeInvalidRequest, answer["error"].(map[string]any)["code"])
	require.Equal(t, iii.Connected, w.State())
}
