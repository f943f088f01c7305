// Package budget is a wrapper that keeps count of what an executor spends, in
// tokens and in money, and stops before the day's budget is exceeded by much.
//
// # What is counted
//
// Every attempt counts, failed ones too, by what the provider says it used. Before
// a call, what it will probably use is booked, and after it the true amount in
// its place. So an attempt whose end is not known, because its worker died
// or the caller gave up, counts with the estimate: a crash loses no spending. So does a
// call whose provider reports no tokens: a budget holds without usage.
//
// Money is counted in millionths, without fractions: the same usage costs the same
// on every machine and on replay.
//
// # Where it is kept
//
// What a day has cost is in a [Ledger], which outlives workers. What a conversation
// has cost is part of the conversation: its workflow compares it with [Limits]
// before each call. Calls that are under way when the budget is used up are
// finished, so it may be exceeded by them.
package budget

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// bookTimeout bounds the settling of a call whose context is done.
const bookTimeout = 5 * time.Second

// An Executor is one with a budget. Create it with [New].
type Executor struct {
	next   executors.Executor
	ledger Ledger
	cfg    Config
	zone   *time.Location
	log    *slog.Logger
	warned atomic.Bool // of calls without usage
}

var _ executors.Executor = (*Executor)(nil)

// New returns next with a budget. The ledger may be nil if cfg has no limits for
// the day. It reports every fault at once.
func New(next executors.Executor, ledger Ledger, cfg Config) (*Executor, error) {
	zone, err := cfg.validate(ledger != nil)
	if err != nil {
		return nil, fmt.Errorf("budget: %w", err)
	}
	cfg.setDefaults()
	e := &Executor{next: next, ledger: ledger, cfg: cfg, zone: zone, log: cfg.Logger}
	if _, ok := cfg.Prices.Find(cfg.Provider, cfg.Model); !ok && cfg.Day.Money > 0 {
		e.log.Warn("budget: no price is known for the model: its tokens are counted, its money is not",
			"budget", cfg.Name, "provider", cfg.Provider, "model", cfg.Model)
	}
	return e, nil
}

// Execute asks the executor within unless the day's budget is used up.
func (e *Executor) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	if e.cfg.Day == (Limits{}) {
		return e.ask(ctx, req)
	}
	if ctx.Err() != nil {
		return executors.Result{}, &conversation.Error{Kind: conversation.Unavailable, Op: e.op(), Err: ctx.Err()}
	}
	now := time.Now().In(e.zone)
	account := Account{Name: e.cfg.Name, Day: now.Format(time.DateOnly)}
	total, err := e.ledger.Total(ctx, account)
	if err != nil {
		return executors.Result{}, e.unknown(ctx, "read", err)
	}
	if why := e.cfg.Day.Over(total, e.cfg.Currency); why != "" {
		return executors.Result{}, e.spent(account, why, now)
	}
	// Unique for each call: another worker's attempt of the same number counts too.
	id := fmt.Sprintf("%s/%d/%s", req.IdempotencyKey, req.Attempt, rand.Text()[:8])
	guess := Estimate(req, conversation.Message{})
	if err := e.ledger.Record(ctx, account, Entry{ID: id, Amount: e.amount(e.cfg.Provider, e.cfg.Model, guess)}); err != nil {
		return executors.Result{}, e.unknown(ctx, "write", err)
	}
	result, err := e.ask(ctx, req)
	usage := result.Usage
	if err != nil {
		usage = usageOf(err)
		if ctx.Err() != nil && Tokens(usage) == 0 {
			// Given up, and the provider may charge for it: the estimate stays.
			return executors.Result{}, err
		}
	}
	e.settle(ctx, account, Entry{ID: id, Amount: Amount{Tokens: Tokens(usage), Money: Money(usage.Cost)}, Final: true})
	return result, err
}

// ask asks the executor within and says what it cost: the conversation adds it up.
func (e *Executor) ask(ctx context.Context, req executors.Request) (executors.Result, error) {
	result, err := e.price(ctx, req)
	if err != nil {
		e.observe(ctx, e.cfg.Model, usageOf(err))
	} else {
		e.observe(ctx, result.Model, result.Usage)
	}
	return result, err
}

func (e *Executor) price(ctx context.Context, req executors.Request) (executors.Result, error) {
	result, err := e.next.Execute(ctx, req)
	var ce *conversation.Error
	if errors.As(err, &ce) {
		priced := *ce
		priced.Usage = priced.Usage.Plausible()
		if Unmetered(err, priced.Usage) {
			priced.Usage = e.unmetered(e.cfg.Provider, e.cfg.Model, priced.Usage, Estimate(req, conversation.Message{}))
			return result, &priced
		}
		priced.Usage.Cost = int64(e.Cost(e.cfg.Provider, e.cfg.Model, priced.Usage))
		return result, &priced
	}
	result.Usage = result.Usage.Plausible()
	if Unmetered(err, result.Usage) {
		result.Usage = e.unmetered(result.Provider, result.Model, result.Usage, Estimate(req, result.Message))
		return result, nil
	}
	result.Usage.Cost = int64(e.Cost(result.Provider, result.Model, result.Usage))
	return result, err
}

// unmetered is the usage of a call whose provider reported no tokens.
func (e *Executor) unmetered(provider, model string, u, estimate conversation.Usage) conversation.Usage {
	u.EstimatedTokens, u.Cost = Tokens(estimate), int64(e.Cost(provider, model, estimate))
	if !e.warned.Swap(true) {
		e.log.Warn("budget: the provider reports no tokens: its calls count with an estimate",
			"budget", e.cfg.Name, "provider", e.cfg.Provider, "model", e.cfg.Model, "estimate", u.EstimatedTokens)
	}
	return u
}

// settle must not lose an answer that has been paid for. If it fails, the
// estimate stays.
func (e *Executor) settle(ctx context.Context, account Account, entry Entry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookTimeout)
	defer cancel()
	if err := e.ledger.Record(ctx, account, entry); err != nil {
		e.log.Warn("budget: a call could not be settled: its estimate counts",
			"budget", account.Name, "day", account.Day, "entry", entry.ID, "error", err)
	}
}

// Cost is what a usage costs at the configured prices. A model that has no price
// costs as much as the configured one, and nothing if that has none either.
func (e *Executor) Cost(provider, model string, u conversation.Usage) Money {
	price, ok := e.cfg.Prices.Find(provider, model)
	if !ok {
		price, _ = e.cfg.Prices.Find(e.cfg.Provider, e.cfg.Model)
	}
	return price.Cost(u)
}

func (e *Executor) amount(provider, model string, u conversation.Usage) Amount {
	return Amount{Tokens: Tokens(u), Money: e.Cost(provider, model, u)}
}

// spent is the error that stops.
func (e *Executor) spent(account Account, why string, now time.Time) error {
	midnight := time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, e.zone)
	return &conversation.Error{
		Kind: conversation.BudgetSpent, Op: e.op(),
		Err:        fmt.Errorf("%s for %s, by all executors of the Temporal namespace whose budget has this name", why, account.Day),
		Remedy:     fmt.Sprintf("raise budget.day, or resume after %s", midnight.Format("2006-01-02 15:04 MST")),
		RetryAfter: midnight.Sub(now),
	}
}

// unknown is the error for a ledger that cannot be asked. Without it nothing is
// spent: that is what a budget is for.
func (e *Executor) unknown(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return &conversation.Error{Kind: conversation.Unavailable, Op: e.op() + ": " + what + " the ledger", Err: err, Remedy: remedyLedger}
}

const remedyLedger = "check the connection to Temporal, and that a worker runs on the task queue of the ledger's workflow: the queue of the worker that recorded the day's first call"

// op says in errors what was tried.
func (e *Executor) op() string { return fmt.Sprintf("budget %q", e.cfg.Name) }

func usageOf(err error) conversation.Usage {
	var ce *conversation.Error
	if errors.As(err, &ce) {
		return ce.Usage
	}
	return conversation.Usage{}
}

// Unwrap returns the executor within.
func (e *Executor) Unwrap() executors.Executor { return e.next }
