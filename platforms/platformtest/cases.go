package platformtest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

func testConversationsShape(t *testing.T, b *bundle) {
	require.NotNil(t, shape(t, b.Platform).Conversations)
}

func testCheck(t *testing.T, b *bundle) {
	b.ok(t, b.Platform.Check(t.Context(), b.Project, b.Agent))
	b.ok(t, b.Platform.Check(t.Context(), "", ""))
	if b.Project != "" {
		err := b.Platform.Check(t.Context(), b.Project+"X", b.Agent)
		b.clean(t, err)
		require.ErrorContains(t, err, b.Project+"X")
	}
	if b.Agent != "" {
		err := b.Platform.Check(t.Context(), b.Project, b.Agent+"X")
		b.clean(t, err)
		require.ErrorContains(t, err, b.Agent+"X")
	}
}

func testClaimOnce(t *testing.T, b *bundle) {
	k := b.claimed(t)
	b.kind(t, conversation.Claimed, b.Platform.Claim(t.Context(), k.ref), "a second claim")
	k.toTheEnd(t)
	b.kind(t, conversation.Claimed, b.Platform.Claim(t.Context(), k.ref), "a claim after the end")
}

func testClaimRace(t *testing.T, b *bundle) {
	ref := b.Fresh(t)
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = b.Platform.Claim(t.Context(), ref) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		b.kind(t, conversation.Claimed, err, "a claim that lost the race")
	}
	require.Equal(t, 1, won, "how many claims won")
}

func testContext(t *testing.T, b *bundle) {
	ref := b.Fresh(t)
	before, err := b.Platform.Context(t.Context(), ref)
	b.ok(t, err)
	require.Equal(t, b.AgentFirst, before.AgentFirst)
	b.ok(t, b.Platform.Claim(t.Context(), ref))
	after, err := b.Platform.Context(t.Context(), ref)
	b.ok(t, err)
	require.Equal(t, before, after, "claiming does not change the context")
}

func testOpening(t *testing.T, b *bundle) {
	k := b.claimed(t)
	require.Empty(t, k.agrees(t).Messages)
	reply := k.next(t)
	if !b.AgentFirst {
		require.NotEmpty(t, reply.Messages, "no messages sent means that the other side speaks")
	}
	for _, m := range reply.Messages {
		require.NotEmpty(t, m.Parts)
	}
	k.agrees(t)
}

func testStates(t *testing.T, b *bundle) {
	ref := b.Fresh(t)
	transcript, err := b.Platform.Transcript(t.Context(), ref)
	b.ok(t, err)
	require.Equal(t, platforms.StateWaiting, transcript.State)
	b.ok(t, b.Platform.Claim(t.Context(), ref))
	k := &talk{bundle: b, ref: ref}
	require.Equal(t, platforms.StateOpen, k.agrees(t).State)
	k.toTheEnd(t)
	require.Equal(t, platforms.StateEnded, k.agrees(t).State)
}

func testTranscriptGrows(t *testing.T, b *bundle) {
	k := b.claimed(t)
	for !k.ended {
		require.Less(t, k.sends, k.Limit, "the conversation goes on beyond Fixture.Limit")
		k.next(t)
		k.agrees(t)
	}
}

// testLastWords: what comes together with Ended is in the transcript too, and
// nothing is left to end.
func testLastWords(t *testing.T, b *bundle) {
	k := b.claimed(t)
	k.toTheEnd(t)
	transcript := k.agrees(t)
	require.Equal(t, platforms.StateEnded, transcript.State)
	require.NotEqual(t, conversation.EndedByAgent, transcript.EndedBy, "the other side ended it")
	b.ok(t, b.Platform.End(t.Context(), k.ref))
	again := k.agrees(t)
	require.Equal(t, transcript.EndedBy, again.EndedBy, "a late End does not change who ended it")
}

func testSendAfterEnd(t *testing.T, b *bundle) {
	k := b.claimed(t)
	k.toTheEnd(t)
	_, err := b.Platform.Send(t.Context(), k.ref, platforms.Send{
		Messages:       []conversation.Message{conversation.Text(conversation.RoleAssistant, "One more thing.")},
		IdempotencyKey: "after the end",
	})
	b.kind(t, conversation.Ended, err, "a send after the end")
	k.agrees(t)
}

func testEndTwice(t *testing.T, b *bundle) {
	k := b.claimed(t)
	if k.next(t); k.ended {
		t.Skip("the platform ends conversations with the first exchange")
	}
	b.ok(t, b.Platform.End(t.Context(), k.ref))
	b.ok(t, b.Platform.End(t.Context(), k.ref))
	transcript := k.agrees(t)
	require.Equal(t, platforms.StateEnded, transcript.State)
	if transcript.EndedBy != "" {
		require.Equal(t, conversation.EndedByAgent, transcript.EndedBy)
	}
}

// calls are all the platform's methods that take a ref.
func (b *bundle) calls(ctx context.Context, ref conversation.Ref) map[string]func() error {
	return map[string]func() error{
		"Claim":      func() error { return b.Platform.Claim(ctx, ref) },
		"Context":    func() error { _, err := b.Platform.Context(ctx, ref); return err },
		"Transcript": func() error { _, err := b.Platform.Transcript(ctx, ref); return err },
		"Send": func() error {
			_, err := b.Platform.Send(ctx, ref, platforms.Send{
				Messages: []conversation.Message{conversation.Text(conversation.RoleAssistant, "Hello?")},
			})
			return err
		},
		"End": func() error { return b.Platform.End(ctx, ref) },
	}
}

func testUnknown(t *testing.T, b *bundle) {
	for name, call := range b.calls(t.Context(), b.Unknown) {
		b.kind(t, conversation.NotFound, call(), name)
	}
}

func testCancelled(t *testing.T, b *bundle) {
	k := b.claimed(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := b.calls(ctx, k.ref)
	calls["Check"] = func() error { return b.Platform.Check(ctx, b.Project, b.Agent) }
	if source, ok := platforms.As[platforms.Source](b.Platform); ok {
		calls["Assigned"] = func() error { _, err := source.Assigned(ctx, b.Project, b.Agent); return err }
		calls["Open"] = func() error { _, err := source.Open(ctx, b.Project, b.Agent); return err }
	}
	for name, call := range calls {
		done := make(chan error, 1)
		go func() { done <- call() }()
		select {
		case err := <-done:
			b.kind(t, conversation.Unavailable, err, name)
			require.True(t, errors.Is(err, context.Canceled), "%s: %v", name, err)
		case <-time.After(5 * time.Second):
			t.Fatalf("%s does not return although its context is done", name)
		}
	}
	k.agrees(t)
}

func testConcurrentUse(t *testing.T, b *bundle) {
	talks := make([]*talk, 6)
	for i := range talks {
		talks[i] = b.claimed(t)
	}
	var all sync.WaitGroup
	for _, k := range talks {
		all.Go(func() {
			// No require in here: it stops the test, which only its own goroutine may.
			for !k.ended && k.sends < k.Limit {
				in := platforms.Send{}
				if k.AgentFirst || k.sends > 0 {
					in.Messages = []conversation.Message{conversation.Text(conversation.RoleAssistant, "To "+k.ref.ID)}
				}
				reply, err := b.Platform.Send(t.Context(), k.ref, in)
				if err != nil {
					t.Errorf("send: %v", err)
					return
				}
				k.sends++
				k.said = append(append(k.said, lines(in.Messages)...), lines(reply.Messages)...)
				k.ended = reply.Ended
			}
		})
	}
	all.Wait()
	for _, k := range talks {
		k.agrees(t)
	}
}

func testSameKeyTwice(t *testing.T, b *bundle) {
	if !b.TakesKeys {
		t.Skip("the platform takes no idempotency keys")
	}
	k := b.claimed(t)
	in := platforms.Send{IdempotencyKey: "the same"}
	if b.AgentFirst {
		in.Messages = []conversation.Message{conversation.Text(conversation.RoleAssistant, "Hello?")}
	}
	first, err := b.Platform.Send(t.Context(), k.ref, in)
	b.ok(t, err)
	second, err := b.Platform.Send(t.Context(), k.ref, in)
	b.ok(t, err)
	require.Equal(t, lines(first.Messages), lines(second.Messages))
	require.Equal(t, first.Ended, second.Ended)
	k.record(t, in, first)
	k.agrees(t)
}

func testLostAnswer(t *testing.T, b *bundle) {
	if b.LoseAnswer == nil {
		t.Skip("the fixture cannot lose answers")
	}
	k := b.claimed(t)
	in := platforms.Send{}
	if b.AgentFirst {
		in.Messages = []conversation.Message{conversation.Text(conversation.RoleAssistant, "Hello?")}
	}
	b.LoseAnswer(t)
	_, err := b.Platform.Send(t.Context(), k.ref, in)
	b.kind(t, conversation.Unavailable, err)
	var e *conversation.Error
	require.ErrorAs(t, err, &e)
	require.True(t, e.Ambiguous, "the send did land")
	transcript, err := b.Platform.Transcript(t.Context(), k.ref)
	b.ok(t, err)
	require.Greater(t, len(transcript.Messages), len(in.Messages), "the answer is in the transcript")
	require.Equal(t, append([]line{}, lines(in.Messages)...), lines(transcript.Messages[:len(in.Messages)]))
}

func testSource(t *testing.T, b *bundle) {
	source, ok := platforms.As[platforms.Source](b.Platform)
	if !ok {
		t.Skip("the platform is no Source")
	}
	ref, other := b.Fresh(t), b.Fresh(t)
	assigned := func() []platforms.Assignment {
		list, err := source.Assigned(t.Context(), b.Project, b.Agent)
		b.ok(t, err)
		return list
	}
	open := func() []platforms.Assignment {
		list, err := source.Open(t.Context(), b.Project, b.Agent)
		b.ok(t, err)
		return list
	}
	require.True(t, has(assigned(), ref))
	require.True(t, has(assigned(), other))
	require.False(t, has(open(), ref))
	for _, a := range assigned() {
		require.False(t, a.Created.IsZero(), "every assignment says when it was made")
		require.NoError(t, a.Ref.Validate())
	}

	b.ok(t, b.Platform.Claim(t.Context(), ref))
	require.False(t, has(assigned(), ref), "what is claimed waits no more")
	require.True(t, has(assigned(), other))
	require.True(t, has(open(), ref))
	require.False(t, has(open(), other))
	for _, a := range open() {
		require.False(t, a.Touched.IsZero(), "every open conversation says when it last gave a sign of life")
	}

	k := &talk{bundle: b, ref: ref}
	k.toTheEnd(t)
	require.False(t, has(assigned(), ref))
	require.False(t, has(open(), ref), "what has ended is not open")
}

func has(list []platforms.Assignment, ref conversation.Ref) bool {
	return slices.ContainsFunc(list, func(a platforms.Assignment) bool { return a.Ref == ref })
}
