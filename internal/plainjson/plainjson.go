// Package plainjson says in plain words why JSON from others cannot be read. Go's own
// words name types of this program, and some repeat what came.
package plainjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Error is err, or what it means if a decoder of JSON has made it.
func Error(err error) error {
	var (
		kind   *json.UnmarshalTypeError
		syntax *json.SyntaxError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("the answer does not fit: %s is a JSON %s", strings.TrimPrefix(kind.Field, "."), shape(kind))
	case errors.As(err, &kind):
		return fmt.Errorf("the answer does not fit: it is a JSON %s", shape(kind))
	case errors.As(err, &syntax):
		return errors.New("the answer is not JSON")
	case strings.Contains(err.Error(), "json: "), strings.Contains(err.Error(), "unmarshal"): // other decoders have no types of errors
		return errors.New("the answer does not fit what was asked")
	}
	return err
}

// shape is "number" or the like: a number comes with its digits.
func shape(e *json.UnmarshalTypeError) string {
	what, _, _ := strings.Cut(e.Value, " ")
	return what
}
