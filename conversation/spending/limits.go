package spending

import (
	"fmt"

	"github.com/parley-run/parley/conversation"
)

// An Amount is something spent.
type Amount struct {
	Tokens int64 `json:"tokens,omitempty"`
	Money  Money `json:"money,omitempty"`
}

// Add returns the sum of both.
func (a Amount) Add(b Amount) Amount {
	return Amount{Tokens: a.Tokens + b.Tokens, Money: a.Money.Add(b.Money)}
}

// Tokens are those read and those written, and those estimated for calls whose provider
// reported none. Cached ones are among those read.
func Tokens(u conversation.Usage) int64 { return u.InputTokens + u.OutputTokens + u.EstimatedTokens }

// Limits bound what is spent. Zero: no bound.
type Limits struct {
	Tokens int64 `yaml:"tokens" json:"tokens,omitempty"`
	Money  Money `yaml:"money" json:"money,omitempty"`
}

// Over says in words which limit has been reached, and nothing if none has. It
// depends on its arguments only: workflows may call it.
func (l Limits) Over(spent Amount, currency string) string {
	switch {
	case l.Tokens > 0 && spent.Tokens >= l.Tokens:
		return fmt.Sprintf("%d of %d tokens are spent", spent.Tokens, l.Tokens)
	case l.Money > 0 && spent.Money >= l.Money:
		return fmt.Sprintf("%s of %s %s are spent", spent.Money, l.Money, currency)
	}
	return ""
}
