package executors

import (
	"context"
	"fmt"
)

// As finds an optional power of an executor: e itself if it is a T, else what it wraps.
// A wrapper has a method Unwrap() Executor, and a chain, which is made of several
// executors, Unwrap() []Executor. A power is always found so, never by a type assertion:
// one that is added later is not lost behind a wrapper that does not know it.
//
// A wrapper implements a power itself only where it changes how the power works. In a
// chain the search goes through the links in order, each with all that it wraps, and ends
// with the first that is a T: the answer is then that link's alone. So a chain implements
// itself what has to be said of all links together: of a fail-over chain that is
// [Checker], [Once] and [Toolless].
func As[T any](e Executor) (T, bool) {
	for e != nil {
		if power, ok := e.(T); ok {
			return power, true
		}
		switch w := e.(type) {
		case interface{ Unwrap() Executor }:
			e = w.Unwrap()
			continue
		case interface{ Unwrap() []Executor }:
			for _, link := range w.Unwrap() {
				if power, ok := As[T](link); ok {
					return power, true
				}
			}
		}
		break
	}
	var none T
	return none, false
}

// A Once is an executor that can be set to run at most once: an attempt whose effect is
// unknown is then the last one. It is an optional power, found with [As].
type Once interface {
	AtMostOnce() bool
}

// AtMostOnce reports whether e must not be retried after an ambiguous attempt. An
// executor without the power Once may be.
func AtMostOnce(e Executor) bool {
	once, ok := As[Once](e)
	return ok && once.AtMostOnce()
}

// A Toolless is an executor that may ignore Request.Tools. It is an optional
// power, found with [As].
type Toolless interface {
	Toolless() bool
}

// TakesTools reports whether e uses Request.Tools. An executor without the power
// Toolless does.
func TakesTools(e Executor) bool {
	t, ok := As[Toolless](e)
	return !ok || !t.Toolless()
}

// A Checker is an executor that can find out cheaply, without spending tokens, whether it
// could work now. The error says what is missing and what to do. It is an optional power,
// found with [As].
type Checker interface {
	Check(ctx context.Context) error
}

// Check asks a [Checker], and returns nil for an executor that is none. A panic of the
// checker is an error.
func Check(ctx context.Context, e Executor) (err error) {
	c, ok := As[Checker](e)
	if !ok {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the availability check panicked: %v", v)
		}
	}()
	return c.Check(ctx)
}
