package iiiserve_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/platforms/iiiengine"
)

func TestStart(t *testing.T) {
	t.Parallel()
	s := serving(t, options{})
	a := s.agentName(0)
	require.Equal(t, object{"conversationId": "c1", "workflowId": "direct/" + a + "/c1", "started": true},
		s.must("start", object{"conversationId": "c1", "idleTimeout": "5m", "metadata": object{"order": 7}}))
	require.Equal(t, false, s.must("start", object{"agentId": "id-" + a, "conversationId": "c1"})["started"], "it exists")

	opened := s.must("start", object{"agentId": a, "message": "hello", "messageId": "m1"})
	require.Equal(t, "1: hello", opened["reply"])
	require.Equal(t, true, opened["started"])
	retried := s.must("start", object{"agentId": a, "message": "hello", "messageId": "m1"})
	require.Equal(t, opened["conversationId"], retried["conversationId"], "derived from the messageId")
	require.Equal(t, opened["reply"], retried["reply"])
	require.Equal(t, 1, s.agent.called("hello"))

	require.Equal(t, "1: bye", s.must("start", object{"conversationId": "c2", "message": "bye", "messageId": "m2"})["reply"])
	s.eventually("c2", func(got object) bool { return got["open"] == false })
	require.Equal(t, "1: bye", s.must("start", object{"conversationId": "c2", "message": "bye", "messageId": "m2"})["reply"], "it was answered")
	s.fails("conversation_over", "over", "start", object{"conversationId": "c2"})
	s.fails("conversation_over", "over", "start", object{"conversationId": "c2", "message": "more", "messageId": "m3"})
}

func TestStartInvalid(t *testing.T) {
	t.Parallel()
	s := serving(t, options{})
	for text, data := range map[string]any{
		"must be an object":                  []string{"hello"},
		"agentId is a number":                object{"agentId": 7},
		"write a duration":                   object{"idleTimeout": "soon"},
		"idleTimeout is for":                 object{"idleTimeout": "5m", "personaFunction": "persona::p"},
		"agentFirst is for":                  object{"agentFirst": true},
		"agentFirst and message exclude":     object{"agentFirst": true, "personaFunction": "persona::p", "message": "hello"},
		"not the id of a function":           object{"personaFunction": "persona p"},
		"64 KiB":                             object{"metadata": object{"n": strings.Repeat("x", 70<<10)}},
		"must have at most 200":              object{"conversationId": strings.Repeat("c", 201)},
		"must be printable ASCII":            object{"conversationId": "café"},
		"must not begin or end with a space": object{"conversationId": " c"},
		"characters that are not printable":  object{"message": "hello", "messageId": "m\x1b"},
		"messageId":                          object{"message": "hello", "messageId": strings.Repeat("m", 300)},
	} {
		if text == "messageId" {
			text = "" // the workflow's own words
		}
		s.fails("invalid_input", text, "start", data)
	}
	s.fails("unknown_agent", s.agentName(0), "start", object{"agentId": "unknown"})
	s.fails("refused", "persona::*", "start", object{"personaFunction": "state::set"})
	require.Empty(t, s.engine.Faults())
}

// An id names one conversation: with a persona function or without.
func TestStartWithPersona(t *testing.T) {
	t.Parallel()
	s := serving(t, options{})
	requests := make(chan iiiengine.PersonaRequest, 10)
	_, err := s.caller.RegisterFunction(iii.Function{ID: "persona::p", Handler: iii.Typed(
		func(_ context.Context, req iiiengine.PersonaRequest) (any, error) {
			requests <- req
			return object{"message": "thanks", "ended": !req.Opening}, nil
		})})
	require.NoError(t, err)
	began := s.must("start", object{"conversationId": "p1", "personaFunction": "persona::p"})
	require.Equal(t, s.name+"/"+s.agentName(0)+"/p1", began["workflowId"])
	require.True(t, (<-requests).Opening)
	require.Equal(t, "1: thanks", (<-requests).Message)
	s.eventually("p1", func(got object) bool { return got["outcome"] == "ended_by_persona" || got["open"] == false })
	require.Equal(t, "persona::p", s.must("get", object{"conversationId": "p1"})["personaFunction"])

	s.must("start", object{"conversationId": "d1"})
	s.fails("invalid_input", "exists without a personaFunction", "start", object{"conversationId": "d1", "personaFunction": "persona::p"})
	s.fails("invalid_input", "it takes no messages", "start", object{"conversationId": "p1"})
	s.fails("invalid_input", "it takes no messages", "send", object{"conversationId": "p1", "message": "hello"})
	began = s.must("start", object{"conversationId": "p2", "personaFunction": "persona::p", "message": "my order"})
	require.Equal(t, true, began["started"])
	require.Equal(t, "1: my order", (<-requests).Message)
}
