package foreign

import (
	"bytes"
	"io"
)

// maxLead bounds the white space before a page.
const maxLead = 1 << 10

// Reader returns a reader of the body of a response with that status. It returns an [Error]
// in place of a body that begins like markup, whatever the response's header says.
func Reader(body io.Reader, status int) io.Reader { return &reader{body: body, status: status} }

type reader struct {
	body   io.Reader
	status int
	begun  bool
	lead   int
	err    error
}

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.body.Read(p)
	if r.begun {
		return n, err
	}
	text := bytes.TrimLeft(p[:n], " \t\r\n\xef\xbb\xbf")
	r.lead += n
	r.begun = len(text) > 0 || r.lead > maxLead
	if len(text) == 0 || text[0] != '<' {
		return n, err
	}
	page := bytes.Clone(text)
	if err == nil {
		rest, _ := io.ReadAll(io.LimitReader(r.body, maxPage))
		page = append(page, rest...)
	}
	r.err = PageError(r.status, page)
	return 0, r.err
}

// PageError is the error of a page that came with that status.
func PageError(status int, page []byte) *Error {
	return &Error{Status: status, What: Page, Said: Title(page)}
}
