package budget

import (
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/spending"
)

// What budgets are counted in.
type (
	// Money is an amount of money in millionths of a currency.
	Money = spending.Money
	// An Amount is something spent.
	Amount = spending.Amount
	// Limits bound what is spent. Zero: no bound.
	Limits = spending.Limits
	// An Account is what a name has spent in a day.
	Account = spending.Account
	// An Entry is one call.
	Entry = spending.Entry
	// An AccountState is the state of one account, for those who implement a [Ledger].
	AccountState = spending.AccountState
)

// Tokens are those read, those written and those estimated. Cached ones are among those
// read.
func Tokens(u conversation.Usage) int64 { return spending.Tokens(u) }

// One is a whole unit of a currency.
const One = spending.One

// ParseMoney reads an amount such as "12.50".
func ParseMoney(s string) (Money, error) { return spending.ParseMoney(s) }
