package platforms_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

type base struct{}

func (base) Check(context.Context, string, string) error { return nil }

type (
	conversations struct{ platforms.Conversations }
	tasks         struct{ platforms.Tasks }
	transport     struct{ platforms.Transport }
	// halfway lacks End.
	halfway struct {
		base
		claims
		sends
	}
	claims struct{}
	sends  struct{}
	// both is a platform of tasks to which messages can be sent.
	both struct {
		platforms.Tasks
		sends
	}
	// layer changes nothing; changing sends by itself.
	layer    struct{ platforms.Platform }
	changing struct {
		layer
		sends
	}
)

func (claims) Claim(context.Context, conversation.Ref) error { return nil }

func (sends) Send(context.Context, conversation.Ref, platforms.Send) (platforms.Reply, error) {
	return platforms.Reply{}, nil
}

func (l layer) Unwrap() platforms.Platform { return l.Platform }

func TestShapeOf(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		p    platforms.Platform
		want platforms.Shape
		err  string // nothing is wrong, if empty
	}{
		"conversations":          {p: conversations{}, want: platforms.Shape{Conversations: conversations{}}},
		"tasks":                  {p: tasks{}, want: platforms.Shape{Tasks: tasks{}}},
		"transport":              {p: transport{}, want: platforms.Shape{Transport: transport{}}},
		"wrapped":                {p: layer{layer{tasks{}}}, want: platforms.Shape{Tasks: tasks{}}},
		"a pointer":              {p: &transport{}, want: platforms.Shape{Transport: &transport{}}},
		"nil":                    {err: "there is no platform"},
		"none":                   {p: base{}, err: "platforms_test.base is none of Conversations, Tasks and Transport: implement exactly one of them"},
		"none, wrapped":          {p: layer{base{}}, err: "is none of Conversations, Tasks and Transport"},
		"wrapping nothing":       {p: layer{}, err: "is none of Conversations, Tasks and Transport"},
		"less than one":          {p: halfway{}, err: "has the methods Claim, Send, which fit none of"},
		"more than one":          {p: both{}, err: "has the methods Cancelled, Claim (of a task), Context, FindClaim, Report, Send, which fit none of"},
		"a transport all in all": {p: changing{layer{transport{}}, sends{}}, want: platforms.Shape{Transport: changing{layer{transport{}}, sends{}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := platforms.ShapeOf(tt.p)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

// rare is a power that no wrapper knows of.
type rare interface{ Rare() string }

type special struct {
	base
	says string
}

func (s special) Rare() string { return s.says }

func TestAs(t *testing.T) {
	t.Parallel()
	got, ok := platforms.As[rare](layer{layer{special{says: "within"}}})
	require.True(t, ok)
	require.Equal(t, "within", got.Rare())

	got, ok = platforms.As[rare](layer{rareLayer{layer{special{says: "within"}}, "outermost"}})
	require.True(t, ok)
	require.Equal(t, "outermost", got.Rare())

	for _, p := range []platforms.Platform{nil, base{}, layer{base{}}, layer{}} {
		_, ok = platforms.As[rare](p)
		require.False(t, ok)
	}
}

type rareLayer struct {
	layer
	says string
}

func (o rareLayer) Rare() string { return o.says }
