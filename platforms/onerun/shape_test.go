package onerun_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/onerun"
)

// everyCall is every request that this package makes, by the client's methods and the
// platform's.
var everyCall = map[string]func(context.Context, *onerun.Platform) error{
	"health":   func(ctx context.Context, p *onerun.Platform) error { return p.Client().Health(ctx) },
	"projects": func(ctx context.Context, p *onerun.Platform) error { return last(p.Client().Projects(ctx)) },
	"project": func(ctx context.Context, p *onerun.Platform) error {
		_, err := p.Client().Project(ctx, "P")
		return err
	},
	"agents": func(ctx context.Context, p *onerun.Platform) error { return last(p.Client().Agents(ctx, "P")) },
	"agent": func(ctx context.Context, p *onerun.Platform) error {
		_, err := p.Client().Agent(ctx, "P", "A")
		return err
	},
	"simulations": func(ctx context.Context, p *onerun.Platform) error {
		return last(p.Client().Simulations(ctx, "P", "", ""))
	},
	"simulation": func(ctx context.Context, p *onerun.Platform) error {
		_, err := p.Client().Simulation(ctx, "P", "S")
		return err
	},
	"conversations": func(ctx context.Context, p *onerun.Platform) error {
		return last(p.Client().Conversations(ctx, "P", "S", ""))
	},
	"conversation": func(ctx context.Context, p *onerun.Platform) error {
		_, err := p.Client().Conversation(ctx, at)
		return err
	},
	"items": func(ctx context.Context, p *onerun.Platform) error { _, err := p.Client().Items(ctx, at); return err },
	"start": func(ctx context.Context, p *onerun.Platform) error { return p.Claim(ctx, ref) },
	"responses": func(ctx context.Context, p *onerun.Platform) error {
		_, err := p.Send(ctx, ref, hello("Hi."))
		return err
	},
	"end":        func(ctx context.Context, p *onerun.Platform) error { return p.End(ctx, ref) },
	"transcript": func(ctx context.Context, p *onerun.Platform) error { _, err := p.Transcript(ctx, ref); return err },
	"context":    func(ctx context.Context, p *onerun.Platform) error { _, err := p.Context(ctx, ref); return err },
	"assigned":   func(ctx context.Context, p *onerun.Platform) error { _, err := p.Assigned(ctx, "P", "A"); return err },
	"open":       func(ctx context.Context, p *onerun.Platform) error { _, err := p.Open(ctx, "P", "A"); return err },
}

// writes are those that change something.
var writes = map[string]bool{"start": true, "responses": true, "end": true}

func last[T any](list iter.Seq2[T, error]) (failure error) {
	for _, err := range list {
		failure = err
	}
	return failure
}

// foreign is what may stand in front of OneRun, or in its place, says.
var foreign = map[string]struct{ media, body string }{
	"Page":           {"text/html", "<!DOCTYPE html><title>Log in</title>"},
	"PageAsJSON":     {"application/json", "<!DOCTYPE html><title>Log in</title>"},
	"Text":           {"text/plain", "404 page not found"},
	"Empty":          {"application/json", ""},
	"Blank":          {"application/json", " \n"},
	"Null":           {"application/json", "null"},
	"NoFields":       {"application/json", "{}"},
	"Error":          {"application/json", `{"error":"unauthorized"}`},
	"ErrorObject":    {"application/json", `{"error":{"code":404,"message":"no upstream"}}`},
	"BareList":       {"application/json", `[]`},
	"ListOfRows":     {"application/json", `[{"id":"x","status":"queued"}]`},
	"String":         {"application/json", `"log in"`},
	"Number":         {"application/json", `404`},
	"Half":           {"application/json", `{"detail":"no su`},
	"ProblemDetails": {"application/problem+json", `{"type":"about:blank","title":"Not Found","status":404,"detail":"no upstream"}`},
}

// Only an answer in OneRun's own shape is final. Whatever else comes is tried again,
// whatever its status says.
func TestOnlyItsOwnAnswersAreFinal(t *testing.T) {
	t.Parallel()
	final := map[int]conversation.Kind{
		400: conversation.Invalid, 401: conversation.Unauthorized, 402: conversation.QuotaExhausted, 403: conversation.Unauthorized,
		404: conversation.NotFound, 405: conversation.Invalid, 409: conversation.Invalid, 410: conversation.Invalid, 422: conversation.Invalid,
	}
	for call, do := range everyCall {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			var answer func(http.ResponseWriter)
			server := serve(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, _ *http.Request) { answer(w) }})
			p := newPlatform(t, onerun.Config{BaseURL: server.URL})
			for status, kind := range final {
				answer = func(w http.ResponseWriter) {
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(status)
					_, _ = fmt.Fprint(w, `{"detail":"no"}`)
				}
				if status == 409 && call == "start" {
					kind = conversation.Claimed
				}
				err := do(t.Context(), p)
				require.Equal(t, kind, conversation.KindOf(err), "%d: %v", status, err)

				for name, f := range foreign {
					answer = func(w http.ResponseWriter) {
						w.Header().Set("Content-Type", f.media)
						w.WriteHeader(status)
						_, _ = fmt.Fprint(w, f.body)
					}
					err := do(t.Context(), p)
					e := asError(t, err)
					require.Equal(t, conversation.Unavailable, e.Kind, "%d %s: %v", status, name, err)
					require.Equal(t, writes[call], e.Ambiguous, "%d %s: %v", status, name, err)
					require.Equal(t, writes[call], e.Answered)
					require.ErrorContains(t, err, "not OneRun's own answer")
				}
			}
		})
	}
}

// An answer of success that is not in OneRun's shape says nothing either: an empty
// transcript least of all.
func TestSuccessInAnotherShape(t *testing.T) {
	t.Parallel()
	for call, do := range everyCall {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			for name, f := range foreign {
				server := serve(t, always(http.StatusOK, map[string]string{"Content-Type": f.media}, f.body))
				p := newPlatform(t, onerun.Config{BaseURL: server.URL})
				err := do(t.Context(), p)
				if name == "ProblemDetails" && (call == "health" || writes[call] && call != "responses") {
					continue // what a success says there is for people
				}
				e := asError(t, err)
				require.Equal(t, conversation.Unavailable, e.Kind, "%s: %v", name, err)
				require.Equal(t, writes[call], e.Ambiguous, "%s: %v", name, err)
				require.Equal(t, writes[call], e.Answered, "%s: %v", name, err)
			}
		})
	}
}

// A redirect is never followed to another server, and is not final.
func TestRedirectIsNotFinal(t *testing.T) {
	t.Parallel()
	for call, do := range everyCall {
		for _, status := range []int{301, 302, 303, 307, 308} {
			server := serve(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "https://login.example/?next=x")
				w.WriteHeader(status)
			}})
			err := do(t.Context(), newPlatform(t, onerun.Config{BaseURL: server.URL}))
			require.Equal(t, conversation.Unavailable, conversation.KindOf(err), "%s %d: %v", call, status, err)
			require.ErrorContains(t, err, "login.example")
		}
	}
}

var _ platforms.Source = (*onerun.Platform)(nil)
