//go:build linux && containers

package containers

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// finalError ends eventually at once.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// final marks what no waiting repairs.
func final(err error) error { return finalError{err} }

// eventually repeats the check until it succeeds, has a final error, or time is up. Its
// error is then the last one of the check.
func eventually(ctx context.Context, patience time.Duration, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(300 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := check()
		if err == nil || errors.As(err, new(finalError)) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", patience, err)
		case <-ticker.C:
		}
	}
}
