package failover

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/limit"
)

// failures are those of the links that were called, in order.
type failures []failure

type failure struct {
	link string
	err  *conversation.Error
}

func (fs *failures) add(link string, err error) { *fs = append(*fs, failure{link, asError(link, err)}) }

// usage is the sum of what they cost.
func (fs failures) usage() conversation.Usage {
	var sum conversation.Usage
	for _, f := range fs {
		sum = sum.Add(f.err.Usage)
	}
	return sum
}

// ambiguous reports whether the request to any of the links may have taken effect.
func (fs failures) ambiguous() bool {
	return slices.ContainsFunc(fs, func(f failure) bool { return f.err.Ambiguous })
}

// join is the error of the last link, with the failures before it.
func (fs failures) join(err error) error {
	if len(fs) == 0 {
		return err
	}
	ce := asError("", err)
	ce.Usage = ce.Usage.Add(fs.usage())
	ce.Ambiguous = ce.Ambiguous || fs.ambiguous()
	if fs.asked() && errors.Is(err, limit.ErrQueued) {
		// A link was asked: the attempt is one, although another link's turn is to come.
		ce.Err = fmt.Errorf("%v; before that, %s", ce.Err, fs) //nolint:errorlint // on purpose
		return ce
	}
	ce.Err = fmt.Errorf("%w; before that, %s", ce.Err, fs)
	return ce
}

// asked reports whether a request was sent to any of the links.
func (fs failures) asked() bool {
	return slices.ContainsFunc(fs, func(f failure) bool { return !isOpen(f.err) && !errors.Is(f.err, limit.ErrQueued) })
}

// queued reports whether the turn of any of the links is to come under its rate limit.
func (fs failures) queued() bool {
	return slices.ContainsFunc(fs, func(f failure) bool { return errors.Is(f.err, limit.ErrQueued) })
}

// final is the error when no link is left. If waiting may help with any of them, it is
// Unavailable, with the delay; otherwise an operator has to act.
func (fs failures) final(op string) error {
	if len(fs) == 1 {
		return fs[0].err
	}
	out := &conversation.Error{Kind: fs[0].err.Kind, Op: op, Usage: fs.usage(), Ambiguous: fs.ambiguous(), Err: fmt.Errorf("no link can answer: %s", fs)}
	if fs.queued() && !fs.asked() {
		out.Err = fmt.Errorf("no link can answer: %s: %w", fs, limit.ErrQueued)
	}
	var remedies []string
	waiting := false
	for _, f := range fs {
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

// String has the beginning of each error, without remedies.
func (fs failures) String() string {
	const most = 300
	var parts []string
	for _, f := range fs {
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
	// An error without these details counts as ambiguous.
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
