package label_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"

	"github.com/parley-run/parley/internal/label"
	"github.com/parley-run/parley/internal/printable"
)

// A peer that gives a new name with each answer makes no series without end.
func TestValuesAreBounded(t *testing.T) {
	t.Parallel()
	var v label.Values
	got := map[string]bool{}
	for i := range 10 * label.Most {
		value := v.Of(fmt.Sprint(strings.Repeat("m", i), "\x1b"))
		require.LessOrEqual(t, len(value), printable.MaxName)
		got[value] = true
	}
	require.LessOrEqual(t, len(got), label.Most+1)
	require.Equal(t, label.Other, v.Of("new"))
	require.Equal(t, "\uFFFD", v.Of("\x1b"))
}

func text(a attribute.KeyValue) string { return string(a.Key) + "=" + a.Value.AsString() }

// The values of one attribute take nothing from those of another.
func TestSet(t *testing.T) {
	t.Parallel()
	var s label.Set
	for i := range 2 * label.Most {
		s.Of("model", fmt.Sprint(i))
	}
	require.Equal(t, "model=other", text(s.Of("model", "new")))
	require.Equal(t, "model=0", text(s.Of("model", "0")))
	require.Equal(t, "tool=new", text(s.Of("tool", "new")))
}
