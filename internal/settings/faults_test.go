package settings_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/secret"
)

func TestFaultsAreSortedByField(t *testing.T) {
	t.Parallel()
	var f settings.Faults
	require.NoError(t, f.Err())
	f.Count("size", -1)
	f.Include(nil, fmt.Errorf("x: %w", errors.Join(settings.Fault("name", "write one", "is empty"), errors.New("nothing works"))))
	f.Headers(map[string]secret.String{"B C": "x", "Authorization": "y"}, "key", "authorization")
	require.EqualError(t, f.Err(), "nothing works\nheaders.Authorization is what api_key sets: give one of the two\n"+
		"headers.B C is no name of a header\nname is empty: write one\nsize is -1: write 1 or more, or leave it out")
}

func TestFieldsOfWrappedErrors(t *testing.T) {
	t.Parallel()
	one := &conversation.FieldError{Field: "a", Text: "is odd"}
	require.Equal(t, []*conversation.FieldError{one, {Text: "plain"}}, settings.Fields(fmt.Errorf("b: %w", errors.Join(one, errors.New("plain"))), nil))
	require.Empty(t, settings.Fields(nil))
}

func TestOr(t *testing.T) {
	t.Parallel()
	for want, words := range map[string][]string{"": nil, "a": {"a"}, "a or b": {"a", "b"}, "a, b or c": {"a", "b", "c"}} {
		require.Equal(t, want, settings.Or(words))
	}
}
