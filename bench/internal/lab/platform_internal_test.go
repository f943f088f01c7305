package lab

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/onerun"
)

func alive() error { return nil }

// platformWith has one simulation with a number of conversations of one turn.
func platformWith(t *testing.T, conversations int) (*Platform, *onerun.Platform) {
	t.Helper()
	l := &Lab{}
	p, err := l.NewPlatform(t.Context(), PlatformOptions{
		Personas: &Personas{Turns: 1, Size: 50}, Simulations: min(1, conversations), Conversations: conversations,
	})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	client, err := onerun.New(onerun.Config{Name: p.Name, BaseURL: p.URL, APIKey: key})
	require.NoError(t, err)
	return p, client
}

// hold holds a conversation as a worker does.
func hold(t *testing.T, client *onerun.Platform, ref conversation.Ref) {
	t.Helper()
	require.NoError(t, client.Claim(t.Context(), ref))
	said, err := client.Send(t.Context(), ref, platforms.Send{})
	require.NoError(t, err)
	require.False(t, said.Ended)
	said, err = client.Send(t.Context(), ref, platforms.Send{Messages: []conversation.Message{conversation.Text(conversation.RoleAssistant, "hello")}})
	require.NoError(t, err)
	require.True(t, said.Ended)
}

func TestPlatform(t *testing.T) {
	t.Parallel()
	p, client := platformWith(t, 3)
	refs, err := p.Queued(t.Context())
	require.NoError(t, err)
	require.Len(t, refs, 3)
	require.ElementsMatch(t, refs, p.Open())
	require.Equal(t, 3, p.Made())

	hold(t, client, refs[0])
	require.NoError(t, p.Personas.Await(t.Context(), Ended(1), alive))
	require.NoError(t, client.Claim(t.Context(), refs[1]))
	require.ElementsMatch(t, refs[1:], p.Open(), "one is claimed, one is not")
	left, err := p.Queued(t.Context())
	require.NoError(t, err)
	require.Equal(t, refs[2:], left)
	require.Equal(t, 3, p.Made())
}

// Conversations are added while others are open: a load does not come in batches.
func TestAdd(t *testing.T) {
	t.Parallel()
	p, client := platformWith(t, 1)
	for range 2 {
		_, err := p.Add(t.Context(), 2, 3)
		require.NoError(t, err)
	}
	require.Equal(t, 13, p.Made())
	refs, err := p.Queued(t.Context())
	require.NoError(t, err)
	require.Len(t, refs, 13)
	for _, ref := range refs {
		require.Equal(t, p.Agent, ref.Agent)
	}
	hold(t, client, refs[12])
	require.Len(t, p.Open(), 12)
}

func TestAddReportsARefusal(t *testing.T) {
	t.Parallel()
	p, _ := platformWith(t, 0)
	require.Zero(t, p.Made())
	p.Agent = "none"
	_, err := p.Add(t.Context(), 1, 1)
	require.ErrorContains(t, err, "lab: create simulation: 404")
	p.Close()
	_, err = p.Add(t.Context(), 1, 1)
	require.ErrorContains(t, err, "lab: create simulation: ")
}

func TestPlatformCountsRequests(t *testing.T) {
	t.Parallel()
	p, client := platformWith(t, 1)
	require.Zero(t, p.Requests())
	refs, err := p.Queued(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, p.Requests(), "a page of simulations, and one of conversations")
	require.EqualValues(t, 1, p.polls.Load())
	hold(t, client, refs[0])
	require.EqualValues(t, 5, p.Requests())
	polled := make(chan error, 1)
	go func() { polled <- p.Polled(t.Context(), 2, alive) }()
	for len(polled) == 0 && t.Context().Err() == nil {
		_, err = p.Queued(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, <-polled)
}

func TestWaitsForAPlatformEnd(t *testing.T) {
	t.Parallel()
	p, _ := platformWith(t, 1)
	died, stopped := errors.New("the worker has ended"), errors.New("stopped")
	require.ErrorIs(t, p.Asked(t.Context(), 1, func() error { return died }), died)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	require.ErrorIs(t, p.Polled(ctx, 1, alive), stopped)
	require.NoError(t, p.Asked(ctx, 0, alive), "nothing to wait for")
}

func TestRefusedPlatform(t *testing.T) {
	t.Parallel()
	l := &Lab{}
	_, err := l.NewPlatform(t.Context(), PlatformOptions{Personas: &Personas{}, Simulations: -1})
	require.ErrorContains(t, err, "lab: sim: seed: simulations -1")
}
