package iii_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

func TestScope(t *testing.T) {
	t.Parallel()
	eachEra(t, func(t *testing.T, e *iiitest.Engine, _ iii.Era) {
		w := connect(t, e, iii.Options{})
		s := w.Scope("talks")
		var v map[string]any
		require.ErrorIs(t, s.Get(soon(t), "1", &v), iii.ErrNotFound)
		require.NoError(t, s.Set(soon(t), "1", map[string]any{"n": 1, "old": true}))
		updated, err := s.Update(soon(t), "1", iii.IncrementOp("n", 2), iii.SetOp("s", json.RawMessage(`"x"`)),
			iii.RemoveOp("old"), iii.AppendOp("l", json.RawMessage(`1`)), iii.MergeOp("", json.RawMessage(`{"m":0}`)))
		require.NoError(t, err)
		want := `{"n":3,"s":"x","l":[1],"m":0}`
		require.JSONEq(t, want, string(updated))
		values, err := s.List(soon(t))
		require.NoError(t, err)
		require.Len(t, values, 1)
		require.JSONEq(t, want, string(values[0]))
		require.NoError(t, s.Delete(soon(t), "1"))
		require.NoError(t, s.Delete(soon(t), "1"), "there is none")
		require.ErrorIs(t, s.Get(soon(t), "1", &v), iii.ErrNotFound)
		ops := call(t, e, "state::update")["data"].(map[string]any)["ops"].([]any)
		require.Equal(t, map[string]any{"type": "increment", "path": "n", "by": 2.0}, ops[0])
	})
}
