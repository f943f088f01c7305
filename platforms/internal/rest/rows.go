package rest

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The bounds of a [List] that does not set its own.
const (
	DefaultMaxRows  = 10_000
	DefaultMaxRow   = 4 << 20
	DefaultMaxBytes = 64 << 20
)

// maxOther bounds, together, what an answer has beside its rows.
const maxOther = 1 << 20

// ErrTooManyRows is an answer with more rows than are read.
var ErrTooManyRows = errors.New("the list has more rows than are read")

// A List says where the rows of an answer are, and bounds what is read of it.
type List struct {
	// Field of the answer has the rows, such as "data". Required.
	Field string
	// ID is the field of a row that names it. Empty: "id".
	ID string
	// MaxRows is how many rows of the answer are read. Zero: [DefaultMaxRows].
	MaxRows int
	// MaxRow is how many bytes a row may have. Zero: [DefaultMaxRow].
	MaxRow int
	// MaxField leaves out the fields of a row that are longer, at its top and in the
	// objects right below, and the row is handed out without them. Zero: a row that is
	// too long is left out as a whole.
	MaxField int
	// MaxBytes is how many bytes of the answer are read. Zero: [DefaultMaxBytes].
	MaxBytes int64
	// Other is what the answer's other fields are decoded into. Nil: they are left out.
	Other any
}

// A Row is one row of an answer.
type Row struct {
	// Index counts from 0.
	Index int
	// ID names the row, as far as it can be made out. Empty: it cannot.
	ID string
	// Data is the row, which is valid JSON. It is the callee's to keep. Nil: see Err.
	Data json.RawMessage
	// Cut names the fields that were left out ("payload.params").
	Cut []string
	// Err is why the row cannot be read: it is too long, or not JSON.
	Err error
}

// Rows makes the request and hands each row of its answer to the function as it
// arrives, so that one row is held at a time. A row that cannot be read is handed out
// with its Err: it holds up no other. An error of the function ends the reading and is
// returned as it is.
//
// Any other error is about the answer as a whole: it did not come, it is not in the
// shape of a list, it broke off, or it is beyond the list's bounds. The rows handed
// out before it are good all the same.
func (c *Client) Rows(ctx context.Context, r Request, l List, row func(Row) error) (Answer, error) {
	var stopped error
	return c.do(ctx, r, func(a *Answer, body io.Reader) error {
		s := &scanner{in: bufio.NewReaderSize(body, 64<<10), left: cmp.Or(l.MaxBytes, DefaultMaxBytes), all: cmp.Or(l.MaxBytes, DefaultMaxBytes)}
		err := l.read(s, a, func(next Row) error {
			stopped = row(next)
			return stopped
		})
		if stopped != nil {
			return &stopError{stopped}
		}
		return err
	})
}

// A stopError is the end of a reading that the reader wanted.
type stopError struct{ error }

// read reads the whole answer.
func (l List) read(s *scanner, a *Answer, row func(Row) error) error {
	first, err := s.next()
	switch {
	case errors.Is(err, io.EOF):
		return errEmpty
	case err != nil:
		return err
	case first == '<' || a.isPage():
		a.page = true
		return ErrWebPage
	case first != '{':
		return fmt.Errorf("the answer is %s, not an object with %q", kindOf(first), l.Field)
	}
	_, _ = s.read()
	other, found := map[string]json.RawMessage{}, false
	remaining := maxOther
	err = s.each('}', func() error {
		name, err := s.key()
		if err != nil {
			return err
		}
		if name == l.Field {
			found = true
			return l.rows(s, row)
		}
		data, whole, err := s.value(remaining)
		if err == nil && whole {
			remaining -= len(data)
			other[name] = data
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("%w %q", errLacks, l.Field)
	case l.Other == nil:
		return nil
	}
	whole, err := json.Marshal(other)
	if err != nil {
		return errNotJSON
	}
	if err := json.Unmarshal(whole, l.Other); err != nil {
		return odd(err)
	}
	return nil
}

// rows hands out the rows of an array.
func (l List) rows(s *scanner, row func(Row) error) error {
	first, err := s.next()
	if err != nil {
		return err
	}
	if first != '[' {
		return fmt.Errorf("the answer's %q is %s, not a list", l.Field, kindOf(first))
	}
	_, _ = s.read()
	index, maxRow := 0, cmp.Or(l.MaxRow, DefaultMaxRow)
	return s.each(']', func() error {
		if index == cmp.Or(l.MaxRows, DefaultMaxRows) {
			return fmt.Errorf("%w: %d", ErrTooManyRows, index)
		}
		next := Row{Index: index}
		data, whole, err := l.row(s, maxRow, &next.Cut)
		if err != nil {
			return err
		}
		next.ID, next.Data = idOf(data, cmp.Or(l.ID, "id")), data
		switch {
		case !whole:
			next.Data, next.Err = nil, fmt.Errorf("it is longer than %s", size(maxRow))
		case !json.Valid(data):
			next.Data, next.Err = nil, errors.New("it is not JSON")
		}
		index++
		return row(next)
	})
}

// row reads one row.
func (l List) row(s *scanner, maxRow int, cut *[]string) (data []byte, whole bool, err error) {
	if l.MaxField <= 0 {
		return s.value(maxRow)
	}
	remaining := maxRow
	return s.trimmed(l.MaxField, &remaining, trimDepth, "", cut)
}

// idOf is the field of an object that may have been cut off, or empty.
func idOf(object []byte, field string) string {
	d := json.NewDecoder(bytes.NewReader(object))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return ""
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return ""
		}
		if name != field {
			var skipped json.RawMessage
			if d.Decode(&skipped) != nil {
				return ""
			}
			continue
		}
		id, err := d.Token()
		if err != nil {
			return ""
		}
		switch id := id.(type) {
		case string:
			return id
		case json.Number:
			return id.String()
		}
		return ""
	}
	return ""
}

func kindOf(first byte) string {
	switch first {
	case '[':
		return "a bare list"
	case '{':
		return "an object"
	case '"':
		return "a string"
	case 'n':
		return "null"
	}
	return "a number or a word"
}

func size(bytes int) string {
	if bytes >= 1<<20 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d bytes", bytes)
}

// A scanner splits JSON into its parts without holding it. It checks brackets and
// strings, and leaves the rest to the decoder of the parts.
type scanner struct {
	in   *bufio.Reader
	left int64
	all  int64
}

func (s *scanner) read() (byte, error) {
	if s.left <= 0 {
		return 0, fmt.Errorf("%w %s", ErrLonger, size(int(s.all)))
	}
	b, err := s.in.ReadByte()
	s.left--
	return b, err
}

// next is the next byte that is no space. It is not consumed.
func (s *scanner) next() (byte, error) {
	for {
		b, err := s.read()
		if err != nil {
			return 0, err
		}
		if b == ' ' || b == '\t' || b == '\n' || b == '\r' {
			continue
		}
		s.left++
		return b, s.in.UnreadByte()
	}
}

// each reads what stands between commas up to the closing bracket.
func (s *scanner) each(closing byte, item func() error) error {
	b, err := s.next()
	if err == nil && b == closing {
		_, err = s.read()
		return err
	}
	for {
		if err != nil {
			return brokeOff(err)
		}
		if err := item(); err != nil {
			return brokeOff(err)
		}
		if _, err = s.next(); err != nil {
			return brokeOff(err)
		}
		switch b, _ = s.read(); b {
		case closing:
			return nil
		case ',':
		default:
			return errNotJSON
		}
	}
}

// key reads a field's name and the colon.
func (s *scanner) key() (string, error) {
	const longest = 1 << 10
	if b, err := s.next(); err != nil || b != '"' {
		return "", cmp.Or(err, errNotJSON)
	}
	data, whole, err := s.value(longest)
	if err != nil {
		return "", err
	}
	var name string
	if whole && json.Unmarshal(data, &name) != nil {
		return "", errNotJSON
	}
	if b, err := s.next(); err != nil || b != ':' {
		return "", cmp.Or(err, errNotJSON)
	}
	_, err = s.read()
	return name, err
}

// value reads a value and keeps at most limit bytes of it. Whole reports whether that
// is all of it.
func (s *scanner) value(limit int) (data []byte, whole bool, err error) {
	if _, err := s.next(); err != nil {
		return nil, false, err
	}
	v := value{limit: limit, whole: true}
	for {
		chunk, err := s.chunk()
		if errors.Is(err, io.EOF) && v.nested == 0 && !v.text && len(v.data) > 0 {
			return v.data, v.whole, nil // a number at the end of everything
		}
		if err != nil {
			return nil, false, err
		}
		n, ended := v.take(chunk)
		v.keep(chunk[:n])
		if err := s.skip(n); err != nil {
			return nil, false, err
		}
		if ended {
			return v.data, v.whole, nil
		}
	}
}

// A value is one that is being read.
type value struct {
	limit         int
	data          []byte
	whole         bool
	nested        int
	text, escaped bool
}

// take counts the bytes of the chunk that belong to the value, and reports whether it
// ends with them.
func (v *value) take(chunk []byte) (n int, ended bool) {
	for i := 0; i < len(chunk); i++ {
		switch b := chunk[i]; {
		case v.escaped:
			v.escaped = false
		case v.text:
			j := bytes.IndexByte(chunk[i:], '"')
			if j < 0 {
				j = len(chunk) - i
			}
			if k := bytes.IndexByte(chunk[i:i+j], '\\'); k >= 0 {
				i += k
				v.escaped = true
				continue
			}
			if i += j; i == len(chunk) {
				return i, false
			}
			if v.text = false; v.nested == 0 {
				return i + 1, true
			}
		case b == '"':
			v.text = true
		case b == '{' || b == '[':
			v.nested++
		case b == '}' || b == ']':
			if v.nested == 0 { // it belongs to what is around the value
				return i, true
			}
			if v.nested--; v.nested == 0 {
				return i + 1, true
			}
		case v.nested == 0 && (b == ',' || b == ' ' || b == '\t' || b == '\n' || b == '\r'):
			return i, true
		}
	}
	return len(chunk), false
}

// keep adds to what is kept, up to the limit.
func (v *value) keep(part []byte) {
	if !v.whole {
		return
	}
	if remaining := v.limit - len(v.data); len(part) > remaining {
		part, v.whole = part[:max(remaining, 0)], false
	}
	v.data = append(v.data, part...)
}

// chunk is what has arrived and is not consumed, at least a byte.
func (s *scanner) chunk() ([]byte, error) {
	if s.left <= 0 {
		return nil, fmt.Errorf("%w %s", ErrLonger, size(int(s.all)))
	}
	if _, err := s.in.Peek(1); err != nil {
		return nil, err
	}
	chunk, err := s.in.Peek(s.in.Buffered())
	return chunk[:min(int64(len(chunk)), s.left)], err
}

// skip consumes what chunk showed.
func (s *scanner) skip(n int) error {
	s.left -= int64(n)
	_, err := s.in.Discard(n)
	return err
}

// brokeOff is the error for an end that comes too early.
func brokeOff(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the answer broke off: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// odd says which field of an answer has a type that it should not have.
func odd(err error) error {
	var field *json.UnmarshalTypeError
	if errors.As(err, &field) && field.Field != "" {
		return fmt.Errorf("its field %q is %s, which it should not be", Clip(field.Field), article(field.Value))
	}
	return errors.New(Clip(err.Error()))
}

// article is a JSON type as [json.UnmarshalTypeError] calls it, with its article.
func article(kind string) string {
	switch {
	case len(kind) > 6 && kind[:6] == "number":
		return "the number " + Clip(kind[7:])
	case kind == "bool":
		return "true or false"
	case kind == "object" || kind == "array":
		return "an " + kind
	}
	return "a " + kind
}

// Unmarshal decodes a row. Its error names the field that has an unexpected type.
func Unmarshal(data []byte, out any) error {
	if err := json.Unmarshal(data, out); err != nil {
		return odd(err)
	}
	return nil
}
