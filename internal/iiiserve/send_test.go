package iiiserve_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/platforms/iiiengine"
	"github.com/parley-run/parley/workflows"
)

func TestSend(t *testing.T) {
	t.Parallel()
	s := serving(t, options{})
	began := s.must("start", object{"conversationId": "c1"})
	for range 2 {
		require.Equal(t, object{"conversationId": "c1", "messageId": "m1", "reply": "1: hello", "turn": 1.0, "ended": false},
			s.must("send", object{"conversationId": "c1", "message": "hello", "messageId": "m1"}))
	}
	require.Equal(t, 1, s.agent.called("hello"), "the same messageId gets the same reply")
	require.Equal(t, "3: and?", s.must("send", object{"conversationId": began["workflowId"], "message": "and?"})["reply"])
	require.Equal(t, true, s.must("send", object{"conversationId": "c1", "message": "bye"})["ended"])
	s.eventually("c1", func(got object) bool { return got["open"] == false })

	s.fails("conversation_over", "over", "send", object{"conversationId": "c1", "message": "more"})
	s.fails("conversation_not_found", "conversation::start begins one", "send", object{"conversationId": "c2", "message": "hello"})
	s.fails("invalid_input", "message is missing", "send", object{"conversationId": "c1"})
	s.fails("invalid_input", "conversationId is missing", "send", object{"message": "hello"})
	s.fails("invalid_input", "not printable", "send", object{"conversationId": "c1", "message": "hello", "messageId": "\x1b[2J"})
	s.fails("unknown_agent", s.agentName(0), "send", object{"agentId": "unknown", "conversationId": "c1", "message": "hello"})
}

func TestSeveralAgents(t *testing.T) {
	t.Parallel()
	s := serving(t, options{agents: 2})
	first, second := s.agentName(0), s.agentName(1)
	s.fails("invalid_input", "agentId is missing", "start", object{})
	s.must("start", object{"agentId": first, "conversationId": "both"})
	s.must("start", object{"agentId": second, "conversationId": "both"})
	s.must("start", object{"agentId": second, "conversationId": "one"})
	s.fails("invalid_input", "2 conversations have the id", "send", object{"conversationId": "both", "message": "hello"})
	s.fails("invalid_input", "direct/"+second+"/both", "get", object{"conversationId": "both"})
	require.Equal(t, "1: hello", s.must("send", object{"conversationId": "one", "message": "hello"})["reply"], "found by its id")
	require.Equal(t, "1: hello", s.must("send", object{"agentId": first, "conversationId": "both", "message": "hello"})["reply"])
	require.Equal(t, second, s.must("get", object{"agentId": second, "conversationId": "both"})["agentId"])
	s.fails("conversation_not_found", "none", "send", object{"conversationId": "none", "message": "hello"})
	rig.Eventually(t, func() bool {
		return s.must("list", object{"agentId": second})["total"] == 2.0 && s.must("list", object{})["total"] == 3.0
	})
}

// A parked conversation fails the call with the reason; after the resume the same
// messageId gets the reply.
func TestParked(t *testing.T) {
	t.Parallel()
	for code, kind := range map[string]conversation.Kind{"needs_attention": conversation.Unauthorized, "refused": conversation.Refused} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			s := serving(t, options{})
			s.agent.fault.Store(&conversation.Error{Kind: kind, Op: "call", Err: errors.New("the key is \x1b[31mbad"), Remedy: "replace the key"})
			s.fails(code, "replace the key", "start", object{"conversationId": "c1", "message": "hello", "messageId": "m1"})
			got := s.must("get", object{"conversationId": "c1"})
			require.Equal(t, "needs_attention", got["status"])
			require.Contains(t, got["attention"].(object)["reason"], "bad")

			s.agent.fault.Store(nil)
			o := &operate.Operator{Reader: &records.Reader{Client: s.client}}
			_, err := o.Resume(t.Context(), "direct/"+s.agentName(0)+"/c1", workflows.ResumeRequest{})
			require.NoError(t, err)
			rig.Eventually(t, func() bool {
				out, err := s.call("send", object{"conversationId": "c1", "message": "hello", "messageId": "m1"})
				return err == nil && out["reply"] == "1: hello"
			})
			require.Equal(t, 1, s.agent.called("hello"))
		})
	}
}

// Beyond reply_timeout a call fails; the same messageId gets the reply later.
func TestReplyTimeout(t *testing.T) {
	t.Parallel()
	block := make(chan struct{})
	s := serving(t, options{block: block, change: func(cfg *iiiengine.Config) { cfg.ReplyTimeout = 500 * time.Millisecond }})
	s.must("start", object{"conversationId": "c1"})
	s.fails("timeout", "retry with the same messageId", "send", object{"conversationId": "c1", "message": "wait", "messageId": "m1"})
	close(block)
	rig.Eventually(t, func() bool {
		out, err := s.call("send", object{"conversationId": "c1", "message": "wait", "messageId": "m1"})
		return err == nil && out["reply"] == "1: wait"
	})
	require.Equal(t, 1, s.agent.called("wait"))
}

// Calls beyond the concurrency are refused; those that read are counted apart.
func TestOverload(t *testing.T) {
	t.Parallel()
	block := make(chan struct{})
	s := serving(t, options{block: block, change: func(cfg *iiiengine.Config) { cfg.Concurrency = 1 }})
	s.must("start", object{"conversationId": "c1"})
	replied := make(chan error, 1)
	go func() {
		_, err := s.caller.Invoke(t.Context(), "conversation::send", object{"conversationId": "c1", "message": "wait", "messageId": "m1"}, iii.Timeout(0))
		replied <- err
	}()
	rig.Eventually(t, func() bool { return s.agent.called("wait") == 1 })
	s.fails("overloaded", "retry after 1 s", "send", object{"conversationId": "c1", "message": "more", "messageId": "m2"})
	require.Equal(t, "c1", s.must("get", object{"conversationId": "c1"})["conversationId"])
	close(block)
	require.NoError(t, <-replied)
	require.Equal(t, "3: more", s.must("send", object{"conversationId": "c1", "message": "more", "messageId": "m2"})["reply"])
}
