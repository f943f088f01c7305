package onerun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms/internal/rest"
)

// tolerant decodes what OneRun sends about one thing. A field that has another type
// than it should have is left at zero: what a thing cannot be without is checked
// afterwards.
func tolerant(data []byte, out any) error {
	err := json.Unmarshal(data, out)
	if field := (*json.UnmarshalTypeError)(nil); errors.As(err, &field) {
		return nil // the other fields have been decoded
	}
	if err != nil {
		return errors.New(rest.Clip(err.Error()))
	}
	return nil
}

// one makes a request whose answer is about one thing. Missing names the first field
// that the thing cannot be without and that is no text; empty: there is none.
func one[T any](ctx context.Context, c *Client, r rest.Request, missing func(T) string) (T, error) {
	var raw json.RawMessage
	var out T
	if err := c.call(ctx, r, &raw); err != nil {
		return out, err
	}
	err := tolerant(raw, &out)
	if err == nil {
		name := missing(out)
		if name == "" {
			return out, nil
		}
		err = fmt.Errorf("its field %q is no text", name)
	}
	var none T
	return none, c.api.Fail(r, &conversation.Error{Kind: conversation.Unavailable, Err: fmt.Errorf("the answer is not understood: %w", err)})
}

// lacking is the name of the first field without a value, or empty.
func lacking(fields ...string) string {
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i+1] == "" {
			return fields[i]
		}
	}
	return ""
}
