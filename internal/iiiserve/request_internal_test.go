package iiiserve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/parley-run/parley/iii"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/platforms/iiiengine"
)

func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		`null`: 0, `90`: 90 * time.Second, `0.5`: 500 * time.Millisecond, `"30m"`: 30 * time.Minute, `"never"`: -1,
	} {
		var got idle
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		require.Equal(t, want, time.Duration(got), text)
	}
	for _, text := range []string{`0`, `-1`, `"-1s"`, `"soon"`, `true`, `{}`, `""`, `1e300`, `1e10`, `1e-10`} {
		var got idle
		require.ErrorContains(t, json.Unmarshal([]byte(text), &got), "idleTimeout is", text)
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	of := func(text string) string {
		got, err := fingerprint(json.RawMessage(text))
		require.NoError(t, err)
		return got
	}
	same := of(`{"agentId":"a","message":"hi","metadata":{"n":12345678901234567890}}`)
	require.Equal(t, same, of(`{"metadata": {"n": 12345678901234567890}, "message":"hi", "agentId":"a","_caller_worker_id":"w1"}`))
	require.NotEqual(t, same, of(`{"agentId":"a","message":"hi","metadata":{"n":12345678901234567891}}`))
	_, err := fingerprint(json.RawMessage(`[]`))
	require.Error(t, err)
}

func TestCodes(t *testing.T) {
	t.Parallel()
	for code, err := range map[string]error{
		codeOver:        fmt.Errorf("conversation %q: %w", "c", launch.ErrOver),
		codeNotFound:    launch.ErrUnknown,
		codeTimeout:     errors.Join(context.DeadlineExceeded, errors.New("busy")),
		codeUnavailable: fmt.Errorf("conversation: %w", serviceerror.NewUnavailable("down")),
		codeRejected:    &records.Fault{Kind: records.Rejected, Text: "no"},
		codeInvalid:     errors.Join(missing([2]string{"message", " "}), missing([2]string{"agentId", ""})),
		codeFailed:      errors.New("odd"),
	} {
		got := coded(err)
		require.True(t, iii.HasCode(got, code), "%v is not %s", got, code)
	}
	require.True(t, iii.HasCode(coded(fmt.Errorf("%w: turn 3", launch.ErrForgotten)), codeOver), "asking again does not help")
}

// A conversation with an outcome takes no message, even while its workflow still
// publishes its end.
func TestSummary(t *testing.T) {
	t.Parallel()
	p, err := iiiengine.New(iiiengine.Defaults())
	require.NoError(t, err)
	s, err := New(Config{Platform: p, Agents: []config.Agent{{Name: "a"}}})
	require.NoError(t, err)
	for status, open := range map[string]bool{"listening": true, "ending": true, "closed": false} {
		got := s.summarize(records.Conversation{ID: "direct/a/direct/a/c", Project: "a", Agent: "a", Status: status, Open: true})
		require.Equal(t, open, got.Open, status)
		require.Equal(t, "direct/a/c", got.ConversationID)
	}
}

// Every function has a description and JSON Schemas.
func TestFunctions(t *testing.T) {
	t.Parallel()
	cfg := iiiengine.Defaults()
	cfg.Prefix, cfg.AgentChat = "talk", true
	p, err := iiiengine.New(cfg)
	require.NoError(t, err)
	s, err := New(Config{Platform: p, Agents: []config.Agent{{Name: "a"}}})
	require.NoError(t, err)
	var ids []string
	for _, f := range s.functions() {
		ids = append(ids, f.ID)
		require.NotEmpty(t, f.Description, f.ID)
		for _, schema := range []json.RawMessage{f.RequestFormat, f.ResponseFormat} {
			var object struct {
				Type       string
				Properties map[string]struct{ Type any }
				Required   []string
			}
			require.NoError(t, json.Unmarshal(schema, &object))
			require.Equal(t, "object", object.Type)
			for _, name := range object.Required {
				require.Contains(t, object.Properties, name)
			}
			for name, property := range object.Properties {
				require.NotEmpty(t, property.Type, "%s: %s", f.ID, name)
			}
		}
	}
	require.Equal(t, "talk::start talk::send talk::get talk::list talk::end talk::ingest agent::chat", strings.Join(ids, " "))
	_, err = New(Config{Platform: p})
	require.ErrorContains(t, err, "no agent")
}

func TestAgents(t *testing.T) {
	t.Parallel()
	a, b := config.Agent{Name: "a", Platform: "iii"}, config.Agent{Name: "b", Platform: "main"}
	cfg := &config.Config{Agents: []config.Agent{a, b}}
	require.Equal(t, []config.Agent{a}, Agents(cfg, "iii"))
	require.Equal(t, []config.Agent{a, b}, Agents(cfg, "other"), "none names it: all")

	s := &Server{agents: []config.Agent{{Name: "a", Agent: "b"}, {Name: "b", Agent: "c"}}}
	for name, want := range map[string]string{"a": "a", "b": "b", "c": "b"} {
		got, err := s.agent(name)
		require.NoError(t, err)
		require.Equal(t, want, got.Name, "names come before ids")
	}
	_, err := s.agent("d")
	require.True(t, iii.HasCode(err, codeUnknown))
	_, err = s.agent("")
	require.True(t, iii.HasCode(err, codeInvalid), "several")
}
