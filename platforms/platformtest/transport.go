package platformtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/lease"
	"github.com/parley-run/parley/platforms"
)

// A TransportFixture is a transport, with an other side behind it that answers each key
// once and no two keys alike.
type TransportFixture struct {
	Platform platforms.Transport
	// Fresh names a conversation that has not begun. Every call names another one.
	Fresh func(testing.TB) conversation.Ref
	// EndNext has the other side end the conversation with its next answer.
	EndNext func(testing.TB, conversation.Ref)
	// LoseAnswer has the answer to the next Send get lost after the other side has given
	// it. Nil: the fixture cannot.
	LoseAnswer func(testing.TB)
	// Asked counts the requests that have reached the other side of a conversation,
	// repeated ones included.
	Asked func(testing.TB, conversation.Ref) int
	// Guarded means that the platform asks whether the attempt may act before it sends.
	Guarded bool
	// Secrets are what no error may contain.
	Secrets []string
}

// RunTransport runs the suite of platforms.Transport. It calls setup for every case, from
// parallel tests.
func RunTransport(t *testing.T, setup func(testing.TB) TransportFixture) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, *transportBundle)
	}{
		{"Shape", testTransportShape},
		{"Check", testTransportCheck},
		{"Answers", testTransportAnswers},
		{"Opening", testTransportOpening},
		{"SameKeyTwice", testTransportSameKey},
		{"Ends", testTransportEnds},
		{"LostAnswer", testTransportLostAnswer},
		{"CancelledContext", testTransportCancelled},
		{"ConcurrentUse", testTransportConcurrent},
		{"LostRight", testTransportLostRight},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			c.test(t, &transportBundle{f, f.Secrets})
		})
	}
}

// A transportBundle is a fixture with what the cases do with it.
type transportBundle struct {
	TransportFixture
	secrets
}

// numbered is a Send with a key of its own.
func numbered(n int) platforms.Send {
	return platforms.Send{
		IdempotencyKey: fmt.Sprintf("key/%d", n),
		Messages:       []conversation.Message{conversation.Text(conversation.RoleAssistant, fmt.Sprintf("message %d", n))},
	}
}

// send sends, and demands a reply in the shape that callers rely on.
func (b *transportBundle) send(t testing.TB, ref conversation.Ref, in platforms.Send) platforms.Reply {
	t.Helper()
	reply, err := b.Platform.Send(t.Context(), ref, in)
	b.ok(t, err)
	require.True(t, reply.Ended || len(reply.Messages) > 0, "a reply has a message, or ends the conversation")
	for _, m := range reply.Messages {
		require.Equal(t, conversation.RoleUser, m.Role, "a reply holds the other side's messages only")
	}
	return reply
}

func testTransportShape(t *testing.T, b *transportBundle) {
	require.NotNil(t, shape(t, b.Platform).Transport)
}

func testTransportCheck(t *testing.T, b *transportBundle) {
	b.ok(t, b.Platform.Check(t.Context(), "", ""))
}

func testTransportAnswers(t *testing.T, b *transportBundle) {
	ref := b.Fresh(t)
	require.NoError(t, ref.Validate())
	seen := map[string]bool{}
	for n := range 3 {
		reply := b.send(t, ref, numbered(n))
		require.False(t, reply.Ended)
		text := fmt.Sprint(lines(reply.Messages))
		require.False(t, seen[text], "another key is another Send: %s", text)
		seen[text] = true
	}
}

func testTransportOpening(t *testing.T, b *transportBundle) {
	reply := b.send(t, b.Fresh(t), platforms.Send{IdempotencyKey: "opening"})
	require.NotEmpty(t, reply.Messages, "no messages sent means that the other side speaks")
}

func testTransportSameKey(t *testing.T, b *transportBundle) {
	ref := b.Fresh(t)
	first := b.send(t, ref, numbered(1))
	between := b.send(t, ref, numbered(2))
	again := b.send(t, ref, numbered(1))
	require.Equal(t, lines(first.Messages), lines(again.Messages), "the same key has the same reply")
	require.NotEqual(t, lines(first.Messages), lines(between.Messages))
}

func testTransportEnds(t *testing.T, b *transportBundle) {
	ref := b.Fresh(t)
	require.False(t, b.send(t, ref, numbered(1)).Ended)
	b.EndNext(t, ref)
	require.True(t, b.send(t, ref, numbered(2)).Ended)
	require.True(t, b.send(t, ref, numbered(2)).Ended, "the same reply again")
}

func testTransportLostAnswer(t *testing.T, b *transportBundle) {
	if b.LoseAnswer == nil {
		t.Skip("the fixture cannot lose answers")
	}
	ref := b.Fresh(t)
	b.LoseAnswer(t)
	_, err := b.Platform.Send(t.Context(), ref, numbered(1))
	b.kind(t, conversation.Unavailable, err, "a lost answer")
	var e *conversation.Error
	require.ErrorAs(t, err, &e)
	require.True(t, e.Ambiguous, "the Send has taken effect")
	again := b.send(t, ref, numbered(1))
	require.Equal(t, lines(again.Messages), lines(b.send(t, ref, numbered(1)).Messages))
}

func testTransportCancelled(t *testing.T, b *transportBundle) {
	ref := b.Fresh(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done := make(chan error, 1)
	go func() {
		_, err := b.Platform.Send(ctx, ref, numbered(1))
		done <- err
	}()
	select {
	case err := <-done:
		b.kind(t, conversation.Unavailable, err, "a Send whose context is done")
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(5 * time.Second):
		t.Fatal("Send does not return although its context is done")
	}
}

func testTransportConcurrent(t *testing.T, b *transportBundle) {
	var all sync.WaitGroup
	for range 6 {
		ref := b.Fresh(t)
		all.Go(func() {
			for n := range 3 {
				if _, err := b.Platform.Send(t.Context(), ref, numbered(n)); err != nil {
					t.Errorf("send: %v", err) // no require: it stops only its own goroutine
				}
			}
		})
	}
	all.Wait()
}

func testTransportLostRight(t *testing.T, b *transportBundle) {
	if !b.Guarded {
		t.Skip("nothing goes over a wire")
	}
	ref := b.Fresh(t)
	_, err := b.Platform.Send(lease.With(t.Context(), &holder{}), ref, numbered(1))
	require.ErrorIs(t, err, errLost)
	require.Zero(t, b.Asked(t, ref), "it was sent")
	b.send(t, ref, numbered(1))
}
