package rest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
)

// trimDepth is how deep a value is taken apart to leave out what is too long.
const trimDepth = 2

// maxCut is how many fields that were left out are named.
const maxCut = 20

// Trimmed makes the request and reads its answer, an object, without the fields that
// are longer than maxField bytes, at its top and in the objects right below. Cut names
// them ("payload.params"). What is left is decoded into out, as [Client.Call] does. At
// most maxAll bytes are read.
func (c *Client) Trimmed(ctx context.Context, r Request, maxField int, maxAll int64, out any) (cut []string, a Answer, err error) {
	a, err = c.do(ctx, r, func(a *Answer, body io.Reader) error {
		s := &scanner{in: bufio.NewReaderSize(body, 64<<10), left: maxAll, all: maxAll}
		first, err := s.next()
		switch {
		case err == io.EOF: //nolint:errorlint // as ReadByte returns it
			return errEmpty
		case err != nil:
			return err
		case first != '{': // a page, or no JSON: the usual reading says what it is
			a.read(io.LimitReader(s.in, 1<<10))
			return a.decode(r, out)
		}
		remaining := maxBody
		data, _, err := s.trimmed(maxField, &remaining, trimDepth, "", &cut)
		if err != nil {
			return err
		}
		a.body = data
		return a.decode(r, out)
	})
	return cut, a, err
}

// trimmed reads a value. Of an object it leaves out the fields that are longer than
// maxField, or than the bytes that remain; whole is false where the value itself is
// left out.
func (s *scanner) trimmed(maxField int, remaining *int, depth int, path string, cut *[]string) (data []byte, whole bool, err error) {
	first, err := s.next()
	if err != nil {
		return nil, false, err
	}
	if first != '{' || depth == 0 {
		data, whole, err := s.value(min(maxField, max(0, *remaining)))
		if err == nil && !whole {
			if len(*cut) < maxCut {
				*cut = append(*cut, path)
			}
			return nil, false, nil
		}
		*remaining -= len(data)
		return data, whole, err
	}
	_, _ = s.read()
	out := bytes.NewBufferString("{")
	err = s.each('}', func() error {
		name, err := s.key()
		if err != nil {
			return err
		}
		at := name
		if path != "" {
			at = path + "." + name
		}
		value, whole, err := s.trimmed(maxField, remaining, depth-1, at, cut)
		if err != nil || !whole {
			return err
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			return err
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		out.Write(quoted)
		out.WriteByte(':')
		out.Write(value)
		*remaining -= len(quoted) + 2
		return nil
	})
	out.WriteByte('}')
	return out.Bytes(), true, err
}
