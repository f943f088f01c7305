package onerun

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/internal/rest"
)

const (
	pageLimit = 100 // OneRun's own limit
	// pageOverlap is how many rows of a page are asked for again with the next.
	// If one of them comes back, nothing was missed in between.
	pageOverlap = 10
	// idlePages is how many pages without anything new end the reading.
	idlePages = 4
	// maxPages bounds what a list that never ends can do.
	maxPages = 2000

	// maxPageRows is for servers that send more than they are asked for.
	maxPageRows = 10_000
	// maxListRows bounds a whole list.
	maxListRows = 50_000
	// maxFaults is how many rows that cannot be read are reported one by one.
	maxFaults = 100
	// maxID bounds an id: OneRun's own have 12 or 21 characters.
	maxID = 1 << 10
)

// pages reads a whole list, page after page, each row once. A row that cannot be read
// comes as a [platforms.RowError], and the others go on; any other error is the last.
//
// Offsets shift while a list is read: new rows push others to later pages, which then
// come twice; rows that leave a filtered list pull others to earlier pages, where they
// would be missed. So pages overlap, and while nothing of a page has been seen before,
// the reading goes back.
func pages[T any](ctx context.Context, c *Client, r rest.Request, id func(T) string) iter.Seq2[T, error] {
	r.Method = http.MethodGet
	return func(yield func(T, error) bool) {
		l := listing[T]{seen: map[string]bool{}}
		offset, overlap, idle := 0, 0, 0
		for range maxPages {
			page, err := readPage(ctx, c, r, offset, id)
			known := slices.ContainsFunc(page.rows, func(row pageRow[T]) bool { return l.seen[row.key()] })
			if err == nil && offset > 0 && overlap > 0 && !known {
				offset = max(0, offset-pageLimit)
				continue
			}
			idle++
			for _, row := range page.rows {
				if l.seen[row.key()] {
					continue
				}
				idle = 0
				if len(l.seen) == maxListRows {
					err = c.api.Fail(r, &conversation.Error{
						Kind: conversation.Unavailable, Err: fmt.Errorf("%w: %d", rest.ErrTooManyRows, maxListRows),
					})
					break
				}
				if !l.yield(row, yield) {
					return
				}
			}
			switch {
			case err != nil:
				l.end(err, yield)
				return
			case !page.hasMore || len(page.rows) == 0:
				l.end(nil, yield)
				return
			case idle == idlePages:
				l.end(c.endless(r), yield)
				return
			}
			overlap = min(pageOverlap, len(page.rows)-1)
			offset += len(page.rows) - overlap
		}
		l.end(c.endless(r), yield)
	}
}

func (c *Client) endless(r rest.Request) error {
	return c.api.Fail(r, &conversation.Error{Kind: conversation.Unavailable, Err: rest.ErrEndless})
}

// A listing is a list that is being read.
type listing[T any] struct {
	seen   map[string]bool
	faults int
}

// yield hands a row out, if it may be.
func (l *listing[T]) yield(row pageRow[T], yield func(T, error) bool) bool {
	l.seen[row.key()] = true
	if row.fault == nil {
		return yield(row.row, nil)
	}
	if l.faults++; l.faults > maxFaults {
		return true
	}
	return yield(row.row, row.fault)
}

// end is the end of the list.
func (l *listing[T]) end(err error, yield func(T, error) bool) {
	var none T
	if more := l.faults - maxFaults; more > 0 {
		if !yield(none, &platforms.RowError{Err: fmt.Errorf("%d more rows cannot be read", more)}) {
			return
		}
	}
	if err != nil {
		yield(none, err)
	}
}

// A page is a part of a list.
type page[T any] struct {
	rows    []pageRow[T]
	hasMore bool
}

// A pageRow is a row, or what is wrong with it.
type pageRow[T any] struct {
	row   T
	id    string
	fault *platforms.RowError
}

// key is the same for the same row, whichever page it comes with. Rows without an id
// that have the same fault count as one.
func (r pageRow[T]) key() string {
	if r.id == "" && r.fault != nil {
		return "\x00" + r.fault.Error()
	}
	return r.id
}

var errNoID = errors.New("it has no id that is a text")

// readPage reads a page row by row. With an error come the rows before it.
func readPage[T any](ctx context.Context, c *Client, r rest.Request, offset int, id func(T) string) (page[T], error) {
	q := url.Values{}
	for key, values := range r.Query {
		q[key] = values
	}
	q.Set("limit", strconv.Itoa(pageLimit))
	if offset > 0 {
		q.Set("offset", strconv.Itoa(offset))
	}
	r.Query = q
	var out page[T]
	var other struct {
		HasMore bool `json:"has_more"`
	}
	_, err := c.api.Rows(ctx, r, rest.List{Field: "data", MaxRows: maxPageRows, Other: &other}, func(row rest.Row) error {
		next := pageRow[T]{id: row.ID}
		fault := row.Err
		if fault == nil {
			fault = tolerant(row.Data, &next.row)
		}
		if fault == nil && id(next.row) == "" {
			fault = errNoID
		}
		if len(row.ID) > maxID {
			next.row, next.id = *new(T), rest.Clip(row.ID)
			fault = fmt.Errorf("its id is longer than %d bytes", maxID)
		}
		if fault != nil {
			next.fault = &platforms.RowError{ID: next.id, Err: fmt.Errorf("a row cannot be read: %w", fault)}
		}
		out.rows = append(out.rows, next)
		return nil
	})
	out.hasMore = other.HasMore
	return out, err
}
