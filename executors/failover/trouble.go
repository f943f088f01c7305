package failover

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
)

// trouble is what went wrong with links before another one was asked.
type trouble []fault

type fault struct {
	link string
	err  *conversation.Error
}

func (t *trouble) add(link string, err error) { *t = append(*t, fault{link, asError(link, err)}) }

// usage is what it has cost.
func (t trouble) usage() conversation.Usage {
	var sum conversation.Usage
	for _, f := range t {
		sum = sum.Add(f.err.Usage)
	}
	return sum
}

// mayHaveLanded reports whether any of the links may have done what it was asked.
func (t trouble) mayHaveLanded() bool {
	return slices.ContainsFunc(t, func(f fault) bool { return f.err.Ambiguous })
}

// join is the error of the last link asked, together with the trouble before it.
func (t trouble) join(err error) error {
	if len(t) == 0 {
		return err
	}
	ce := asError("", err)
	ce.Usage = ce.Usage.Add(t.usage())
	ce.Ambiguous = ce.Ambiguous || t.mayHaveLanded()
	ce.Err = fmt.Errorf("%w; before that, %s", ce.Err, t)
	return ce
}

// verdict is the error when no link is left. Where waiting may help with any of
// them, it says so; else an operator has to act.
func (t trouble) verdict(op string) error {
	if len(t) == 1 {
		return t[0].err
	}
	out := &conversation.Error{Kind: t[0].err.Kind, Op: op, Usage: t.usage(), Ambiguous: t.mayHaveLanded(), Err: fmt.Errorf("no link can answer: %s", t)}
	var remedies []string
	waiting := false
	for _, f := range t {
		switch f.err.Kind {
		case conversation.Unavailable, conversation.RateLimited:
			if !waiting || f.err.RetryAfter < out.RetryAfter {
				out.RetryAfter = f.err.RetryAfter
			}
			out.Kind, waiting = conversation.Unavailable, true
		}
		if r := f.err.Remedy; r != "" && !slices.Contains(remedies, r) {
			remedies = append(remedies, r)
		}
	}
	out.Remedy = strings.Join(remedies, "; or ")
	return out
}

// String has no remedies, and no more of each error than helps.
func (t trouble) String() string {
	const most = 300
	var parts []string
	for _, f := range t {
		e := *f.err
		e.Remedy = ""
		text := e.Error()
		if len(text) > most {
			text = strings.ToValidUTF8(text[:most], "") + "…"
		}
		parts = append(parts, fmt.Sprintf("%q: %s", f.link, text))
	}
	return strings.Join(parts, "; ")
}

// asError returns a copy of err that may be changed.
func asError(link string, err error) *conversation.Error {
	var ce *conversation.Error
	if errors.As(err, &ce) {
		e := *ce
		e.Kind = conversation.KindOf(err)
		if e.Err == nil {
			e.Err = errors.New(string(e.Kind))
		}
		return &e
	}
	// One that does not say how far it came is taken for the worst.
	return &conversation.Error{Kind: conversation.Unavailable, Op: fmt.Sprintf("executor %q", link), Ambiguous: true, Err: err}
}

// retryAfter is the delay that err asks for.
func retryAfter(err error) time.Duration {
	var ce *conversation.Error
	if errors.As(err, &ce) {
		return ce.RetryAfter
	}
	return 0
}
