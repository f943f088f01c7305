package platformtest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// A bundle is a fixture with what the cases do with it.
type bundle struct {
	ConversationsFixture
	secrets
}

// A line is a message reduced to what both sides must agree on.
type line struct {
	Role conversation.Role
	Text string
}

func lines(messages []conversation.Message) []line {
	out := make([]line, 0, len(messages))
	for _, m := range messages {
		out = append(out, line{m.Role, m.Text()})
	}
	return out
}

// A talk is a conversation that a case leads, with the record of what was said.
type talk struct {
	*bundle
	ref   conversation.Ref
	said  []line
	sends int
	ended bool
}

// claimed claims a fresh conversation.
func (b *bundle) claimed(t testing.TB) *talk {
	t.Helper()
	ref := b.Fresh(t)
	require.NoError(t, ref.Validate())
	b.ok(t, b.Platform.Claim(t.Context(), ref))
	return &talk{bundle: b, ref: ref}
}

// next makes the talk's next exchange: the opening, or another message of the
// agent.
func (k *talk) next(t testing.TB) platforms.Reply {
	t.Helper()
	in := platforms.Send{IdempotencyKey: fmt.Sprintf("%s/%d", k.ref, k.sends)}
	if k.AgentFirst || k.sends > 0 {
		in.Messages = []conversation.Message{
			conversation.Text(conversation.RoleAssistant, fmt.Sprintf("Message %d to %s.", k.sends, k.ref.ID)),
		}
	}
	reply, err := k.Platform.Send(t.Context(), k.ref, in)
	k.ok(t, err)
	k.record(t, in, reply)
	return reply
}

func (k *talk) record(t testing.TB, in platforms.Send, reply platforms.Reply) {
	t.Helper()
	for _, m := range reply.Messages {
		require.Equal(t, conversation.RoleUser, m.Role, "a reply holds the other side's messages only")
	}
	k.sends++
	k.said = append(k.said, lines(in.Messages)...)
	k.said = append(k.said, lines(reply.Messages)...)
	k.ended = reply.Ended
}

// toTheEnd leads the talk until the other side ends it.
func (k *talk) toTheEnd(t testing.TB) {
	t.Helper()
	for !k.ended {
		require.Less(t, k.sends, k.Limit, "the conversation goes on beyond ConversationsFixture.Limit")
		k.next(t)
	}
}

// agrees reads the transcript and compares it with the record.
func (k *talk) agrees(t testing.TB) platforms.Transcript {
	t.Helper()
	transcript, err := k.Platform.Transcript(t.Context(), k.ref)
	k.ok(t, err)
	require.Equal(t, append([]line{}, k.said...), lines(transcript.Messages))
	return transcript
}
