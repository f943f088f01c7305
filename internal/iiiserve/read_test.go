package iiiserve_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/platforms/iiiengine"
)

func TestGetListEnd(t *testing.T) {
	t.Parallel()
	s := serving(t, options{})
	for _, id := range []string{"c1", "c2", "c3"} {
		s.must("start", object{"conversationId": id, "message": "hello", "messageId": "m-" + id})
	}
	got := s.must("get", object{"conversationId": "c1", "from": 1})
	require.Equal(t, "listening", got["status"])
	require.Equal(t, true, got["open"])
	require.Equal(t, 2.0, got["total"])
	messages := got["messages"].([]any)
	require.Len(t, messages, 1)
	require.Equal(t, "assistant", messages[0].(object)["role"])
	require.Equal(t, 1.0, messages[0].(object)["index"])
	require.Equal(t, []any{}, s.must("get", object{"conversationId": "c1", "from": 9})["messages"])

	require.Equal(t, object{"conversationId": "c1", "ended": true}, s.must("end", object{"conversationId": "c1", "reason": "en\x1bough"}))
	s.eventually("c1", func(got object) bool { return got["open"] == false })
	require.Equal(t, false, s.must("end", object{"conversationId": "c1"})["ended"])

	rig.Eventually(t, func() bool {
		open := s.must("list", object{"status": "open", "limit": 1})
		return open["total"] == 2.0 && len(open["conversations"].([]any)) == 1
	})
	for _, function := range []string{"get", "end"} {
		s.fails("conversation_not_found", "c9", function, object{"conversationId": "c9"})
		s.fails("invalid_input", "conversationId is missing", function, object{})
		s.fails("unknown_agent", s.agentName(0), function, object{"agentId": "unknown", "conversationId": "c1"})
	}
	s.fails("invalid_input", "must be 1 to 500", "list", object{"limit": 501})
	s.fails("invalid_input", "must be 1 to 500", "list", object{"limit": -1})
	s.fails("invalid_input", "unknown status", "list", object{"status": "asleep"})
	s.fails("unknown_agent", s.agentName(0), "list", object{"agentId": "unknown"})
}

func TestChat(t *testing.T) {
	t.Parallel()
	s := serving(t, options{change: func(cfg *iiiengine.Config) { cfg.AgentChat = true }})
	require.NoError(t, s.engine.Wait(s.soon(), func() bool { return s.engine.Serves("", "agent::chat") }))
	a := s.agentName(0)
	for range 2 {
		require.Equal(t, "1: hi", s.must("agent::chat", object{"agentId": a, "message": "hi", "messageId": "m1", "sessionId": "s1"})["content"])
	}
	require.Equal(t, 1, s.agent.called("hi"))
	chat := s.must("agent::chat", object{"agentId": a, "message": "more", "sessionId": "s1"})
	require.Equal(t, "3: more", chat["content"])
	require.Contains(t, chat, "usage")
	require.Equal(t, 0.0, chat["iterations"])
	require.Equal(t, "1: alone", s.must("agent::chat", object{"agentId": a, "message": "alone"})["content"])
	require.Equal(t, "listening", s.must("get", object{"conversationId": "default:" + a})["status"])

	s.must("start", object{"conversationId": "p1", "personaFunction": "persona::absent"})
	s.fails("invalid_input", "it takes no messages", "agent::chat", object{"agentId": a, "message": "hi", "sessionId": "p1"})
	s.fails("invalid_input", "agentId is missing", "agent::chat", object{"message": "hi"})
	s.fails("invalid_input", "message is missing", "agent::chat", object{"agentId": a})
	s.fails("invalid_input", "printable", "agent::chat", object{"agentId": a, "message": "hi", "messageId": "\x1b"})
	s.fails("invalid_input", "printable", "agent::chat", object{"agentId": a, "message": "hi", "sessionId": "é"})
	s.fails("unknown_agent", a, "agent::chat", object{"agentId": "unknown", "message": "hi"})
}
