package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/conversation/spending"
)

// usage is what the executor has cost, failed attempts included.
type usage struct {
	total conversation.Usage
	// allowed was spent before an operator resumed in spite of the budget.
	allowed spending.Amount
}

func (u *usage) add(more conversation.Usage) { u.total = u.total.Add(more) }

func (u *usage) amount() spending.Amount {
	return spending.Amount{Tokens: spending.Tokens(u.total), Money: spending.Money(u.total.Cost)}
}

// over says which bound of the policy is used up. Empty: none.
func (u *usage) over(p conversation.Policy) string {
	spent := u.amount()
	spent.Tokens -= u.allowed.Tokens
	spent.Money -= u.allowed.Money
	return spending.Limits{Tokens: p.MaxTokens, Money: spending.Money(p.MaxCost)}.Over(spent, p.Currency)
}

// allow lets the conversation spend as much again as its policy says.
func (u *usage) allow() { u.allowed = u.amount() }

// checkBudget holds the conversation back when it has spent its budget. Once an operator
// resumes it or takes over, it may spend as much again.
func (r *run) checkBudget(ctx workflow.Context) (*ending, error) {
	if r.wishes.takeover != nil {
		return nil, nil // an operator's answer costs nothing
	}
	why := r.usage.over(r.policy)
	if why == "" {
		return nil, nil
	}
	e, err := r.handleFailure(ctx, stepBudget, failure{kind: conversation.BudgetSpent, reason: why}, r.replyInterrupted)
	if e == nil && err == nil {
		r.usage.allow()
	}
	return e, err
}
