package platformtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/platforms"
)

// A Front stands between a platform that speaks HTTP and its service, as a proxy does.
// Its zero value passes everything on. It is safe for concurrent use.
type Front struct {
	handler atomic.Pointer[http.HandlerFunc]
	writes  atomic.Int32 // requests by another method than GET
}

// Serve passes the request on to the service, or does what the running case wants.
func (f *Front) Serve(service http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			f.writes.Add(1)
		}
		if h := f.handler.Load(); h != nil {
			_, _ = io.Copy(io.Discard, r.Body)
			(*h)(w, r)
			return
		}
		service.ServeHTTP(w, r)
	})
}

func (f *Front) set(h http.HandlerFunc) { f.handler.Store(&h) }
func (f *Front) open()                  { f.handler.Store(nil) }

// foreign are answers that no service gives: they come from something in front of it.
var foreign = map[string]struct{ media, body string }{
	"page":         {"text/html", "<!DOCTYPE html><title>Log in</title>"},
	"page as JSON": {"application/json", "<!DOCTYPE html><title>Log in</title>"},
	"text":         {"text/plain", "404 page not found"},
	"nothing":      {"application/json", ""},
	"null":         {"application/json", "null"},
	"no fields":    {"application/json", "{}"},
	"error":        {"application/json", `{"error":"unauthorized"}`},
	"bare list":    {"application/json", `[]`},
	"half":         {"application/json", `{"detail":"no su`},
}

// A call is one of a platform's methods. Writes: it changes something.
type call struct {
	writes bool
	do     func() error
}

// foreignAnswers has something in front of the service answer in its place: no such
// answer is final. A write may still have taken effect, and is over: the transcript or
// the task shows what it has done.
func foreignAnswers(t *testing.T, f *Front, calls map[string]call) {
	t.Helper()
	for _, status := range []int{200, 301, 302, 307, 400, 401, 403, 404, 405, 409, 410, 422} {
		for shape, answer := range foreign {
			f.set(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", answer.media)
				w.Header().Set("Location", "https://login.example/")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, answer.body)
			})
			for name, c := range calls {
				what := fmt.Sprintf("%s, answered by %d and %s", name, status, shape)
				err := c.do()
				require.Error(t, err, what)
				require.Equal(t, conversation.Unavailable, conversation.KindOf(err), "%s: %v", what, err)
				var e *conversation.Error
				require.ErrorAs(t, err, &e, what)
				if c.writes {
					require.True(t, e.Ambiguous, "%s: %v", what, err)
					require.True(t, e.Answered, "%s: %v", what, err)
				}
			}
		}
	}
	f.open()
}

// lostRight has the attempt lose its right to act: a write is not sent, and the error says so.
func lostRight(t *testing.T, f *Front, calls func(context.Context) map[string]call) {
	t.Helper()
	for checks := range int32(2) {
		h := &holder{}
		for name, c := range calls(lease.With(t.Context(), h)) {
			if !c.writes {
				continue
			}
			h.left.Store(checks)
			before := f.writes.Load()
			err := c.do()
			require.ErrorIs(t, err, errLost, name)
			require.Equal(t, before, f.writes.Load(), "%s was sent", name)
			var e *conversation.Error
			require.ErrorAs(t, err, &e, name)
			require.False(t, e.Ambiguous, "%s: %v", name, err)
		}
	}
}

var errLost = errors.New("another attempt has begun")

// A holder has the right to act for as many checks as are left.
type holder struct{ left atomic.Int32 }

func (h *holder) Hold(context.Context) error {
	if h.left.Add(-1) < 0 {
		return &conversation.Error{Kind: conversation.Unavailable, Err: errLost}
	}
	return nil
}

func testForeignAnswers(t *testing.T, b *bundle) {
	if b.Front == nil {
		return
	}
	k := b.claimed(t)
	foreignAnswers(t, b.Front, b.fronted(t.Context(), k.ref))
	k.toTheEnd(t)
	k.agrees(t)
}

func testLostRight(t *testing.T, b *bundle) {
	if b.Front == nil {
		return
	}
	k := b.claimed(t)
	lostRight(t, b.Front, func(ctx context.Context) map[string]call { return b.fronted(ctx, k.ref) })
	k.toTheEnd(t)
	k.agrees(t)
}

// fronted are the calls that ask the service something.
func (b *bundle) fronted(ctx context.Context, ref conversation.Ref) map[string]call {
	out := map[string]call{}
	for name, do := range b.calls(ctx, ref) {
		out[name] = call{writes: name == "Claim" || name == "Send" || name == "End", do: do}
	}
	if source, ok := platforms.As[platforms.Source](b.Platform); ok {
		out["Assigned"] = call{do: func() error { _, err := source.Assigned(ctx, b.Project, b.Agent); return err }}
		out["Open"] = call{do: func() error { _, err := source.Open(ctx, b.Project, b.Agent); return err }}
	}
	return out
}

func testBadRow(t *testing.T, b *bundle) {
	if b.BadRow == nil {
		return
	}
	source, ok := platforms.As[platforms.Source](b.Platform)
	require.True(t, ok)
	ref, other := b.Fresh(t), b.Fresh(t)
	b.ok(t, b.Platform.Claim(t.Context(), other))
	b.BadRow(t)
	badRow(t, b.clean, func() ([]platforms.Assignment, error) { return source.Assigned(t.Context(), b.Project, b.Agent) }, ref)
	badRow(t, b.clean, func() ([]platforms.Assignment, error) { return source.Open(t.Context(), b.Project, b.Agent) }, other)
}

// badRow lists what has a row that cannot be read: the row is reported as that, and
// the others come all the same.
func badRow(t *testing.T, clean func(testing.TB, error), list func() ([]platforms.Assignment, error), want conversation.Ref) {
	t.Helper()
	all, err := list()
	clean(t, err)
	require.True(t, has(all, want), "a row that cannot be read holds up no other")
	faults, rest := platforms.RowErrors(err)
	require.NoError(t, rest, "it is no fault of the platform")
	require.NotEmpty(t, faults, "a row that cannot be read is reported")
}

func testTasksForeignAnswers(t *testing.T, f *tasksBundle) {
	if f.Front == nil {
		return
	}
	ref := f.Fresh(t)
	foreignAnswers(t, f.Front, f.fronted(t.Context(), ref, false))
	f.claim(t, ref, "parley-one")
}

func testTasksLostRight(t *testing.T, f *tasksBundle) {
	if f.Front == nil {
		return
	}
	ref := f.Fresh(t)
	lostRight(t, f.Front, func(ctx context.Context) map[string]call { return f.fronted(ctx, ref, true) })
	f.claim(t, ref, "parley-one")
}

// fronted are the calls that ask the service something. Those that write read first.
func (f *tasksBundle) fronted(ctx context.Context, ref conversation.Ref, writes bool) map[string]call {
	out := map[string]call{
		"Claim": {writes: writes, do: func() error {
			_, err := f.Platform.Claim(ctx, ref, platforms.Claim{Worker: "parley-one"})
			return err
		}},
		"Context": {do: func() error { _, err := f.Platform.Context(ctx, ref); return err }},
	}
	if source, ok := platforms.As[platforms.Source](f.Platform); ok {
		out["Assigned"] = call{do: func() error { _, err := source.Assigned(ctx, "", ""); return err }}
		out["Open"] = call{do: func() error { _, err := source.Open(ctx, "", ""); return err }}
	}
	return out
}

func testTasksBadRow(t *testing.T, f *tasksBundle) {
	if f.BadRow == nil {
		return
	}
	source, ok := platforms.As[platforms.Source](f.Platform)
	require.True(t, ok)
	ref := f.Fresh(t)
	f.BadRow(t)
	badRow(t, f.clean, func() ([]platforms.Assignment, error) { return source.Assigned(t.Context(), "", "") }, ref)
}
