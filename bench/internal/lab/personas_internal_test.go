package lab

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/internal/sim"
)

// turn is what a persona is asked after a number of messages of the agent.
func turn(id string, replies int) sim.PersonaTurn {
	out := sim.PersonaTurn{Conversation: conversation.Ref{ID: id}}
	for range replies {
		out.Messages = append(out.Messages,
			conversation.Text(conversation.RoleUser, "question"), conversation.Text(conversation.RoleAssistant, "answer"))
	}
	return out
}

func TestPersonasNoteTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		p := &Personas{Turns: 2, Think: 500 * time.Millisecond, Size: 300}
		for replies := range 3 {
			text, ended, err := p.Reply(t.Context(), turn("c", replies))
			require.NoError(t, err)
			require.InDelta(t, 300, len(text), 16)
			require.Equal(t, replies == 2, ended)
			require.Equal(t, replies+1, p.Asked())
			time.Sleep(2 * time.Second) // the model
		}
		at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
		require.Equal(t, []Talk{{
			Opened: began, Ended: true,
			Turns: []Turn{{Said: at(500), Came: at(2500)}, {Said: at(3000), Came: at(5000)}},
		}}, p.Talks())
	})
}

// A worker that has lost an answer asks for it again: the turns after it keep their places.
func TestPersonasThatAreAskedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &Personas{Turns: 2}
		for _, replies := range []int{0, 0, 1, 1, 2} {
			time.Sleep(time.Second)
			_, _, err := p.Reply(t.Context(), turn("c", replies))
			require.NoError(t, err)
		}
		talks := p.Talks()
		require.Len(t, talks, 1)
		require.Len(t, talks[0].Turns, 2)
		for _, turn := range talks[0].Turns {
			require.Positive(t, turn.Came.Sub(turn.Said))
		}
	})
}

func TestPersonasSpreadTheirFirstMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &Personas{Turns: 2, Think: time.Second, Spread: time.Minute}
		for replies, want := range []time.Duration{7 * time.Second, time.Second} {
			began, asked := time.Now(), turn("c", replies)
			asked.Seed = uint64(time.Minute + 7*time.Second)
			_, _, err := p.Reply(t.Context(), asked)
			require.NoError(t, err)
			require.Equal(t, want, time.Since(began))
		}
	})
}

// What a caller has not got is not noted.
func TestPersonasThatAreInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &Personas{Turns: 2, Think: time.Hour}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, _, err := p.Reply(ctx, turn("c", 0))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 1, p.Asked())
		require.Empty(t, p.Talks())
	})
}

func TestAwait(t *testing.T) {
	t.Parallel()
	died, stopped := errors.New("the worker has ended"), errors.New("stopped")
	for name, tt := range map[string]struct {
		// ends, dies and stops are when that happens. Zero: never.
		ends, dies, stops time.Duration
		took              time.Duration
		err               error
	}{
		"ended":   {ends: 10 * time.Second, took: 10 * time.Second},
		"died":    {dies: 2500 * time.Millisecond, took: 3 * time.Second, err: died},
		"stopped": {stops: 90 * time.Minute, took: 90 * time.Minute, err: stopped},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, began := &Personas{Turns: 0}, time.Now()
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if tt.stops > 0 {
					time.AfterFunc(tt.stops, func() { cancel(stopped) })
				}
				if tt.ends > 0 {
					go func() {
						_ = pause.For(ctx, tt.ends)
						_, _, _ = p.Reply(ctx, turn("c", 0))
					}()
				}
				err := p.Await(ctx, Ended(1), func() error {
					if tt.dies > 0 && time.Since(began) >= tt.dies {
						return died
					}
					return nil
				})
				require.Equal(t, tt.took, time.Since(began))
				require.ErrorIs(t, err, tt.err)
			})
		})
	}
}

func TestEndedCounts(t *testing.T) {
	t.Parallel()
	talks := []Talk{{Ended: true}, {}, {Ended: true}}
	require.True(t, Ended(2)(talks))
	require.False(t, Ended(3)(talks))
}

func TestText(t *testing.T) {
	t.Parallel()
	require.Len(t, text(300, "persona", 1), 21+16*((300-21)/16))
	require.Len(t, text(300, "persona", 1), len(text(300, "persona", 9999)), "every message has the same size")
	require.Equal(t, "agent message 0000 ", text(1, "agent", 0))
}
