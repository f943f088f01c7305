package budget_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/budget"
)

func TestAccountState(t *testing.T) {
	t.Parallel()
	tokens := func(n int64) budget.Amount { return budget.Amount{Tokens: n, Money: budget.Money(2 * n)} }
	var s budget.AccountState
	require.Zero(t, s.Total())
	s.Record(budget.Entry{ID: "a", Amount: tokens(100)})
	s.Record(budget.Entry{ID: "b", Amount: tokens(10)})
	s.Record(budget.Entry{ID: "a", Amount: tokens(100)})
	require.Equal(t, tokens(110), s.Total(), "an entry that comes again changes nothing")
	s.Record(budget.Entry{ID: "a", Amount: tokens(70), Final: true})
	s.Record(budget.Entry{ID: "a", Amount: tokens(70), Final: true})
	s.Record(budget.Entry{ID: "a", Amount: tokens(100)})
	require.Equal(t, tokens(80), s.Total(), "what is settled is settled")

	data, err := json.Marshal(s)
	require.NoError(t, err)
	var again budget.AccountState
	require.NoError(t, json.Unmarshal(data, &again))
	require.Equal(t, s, again)
	again.Record(budget.Entry{ID: "b", Final: true})
	require.Equal(t, tokens(70), again.Total(), "a call that cost nothing")
}

func TestAnAccountStateStaysSmall(t *testing.T) {
	t.Parallel()
	var s budget.AccountState
	for i := range 5_000 {
		id := fmt.Sprintf("onerun/p1/conversation-%d/reply/1/1/ABCDEFGH", i)
		s.Record(budget.Entry{ID: id, Amount: budget.Amount{Tokens: 1000}})
		s.Record(budget.Entry{ID: id, Amount: budget.Amount{Tokens: 1}, Final: true})
	}
	require.Equal(t, int64(5_000), s.Total().Tokens)
	data, err := json.Marshal(s)
	require.NoError(t, err)
	require.Less(t, len(data), 100<<10)
}
