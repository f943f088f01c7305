package onerun

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/parley-run/parley/conversation"
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
)

// pages reads a whole list, page after page, each row once. Offsets shift while
// it does: new rows push others to later pages, which then come twice; rows that
// leave a filtered list pull others to earlier pages, where they would be missed.
// So pages overlap, and while nothing of a page has been seen before, the reading
// goes back.
func pages[T any](ctx context.Context, c *Client, r rest.Request, id func(T) string) iter.Seq2[T, error] {
	r.Method = http.MethodGet
	return func(yield func(T, error) bool) {
		var none T
		seen := map[string]bool{}
		offset, overlap, idle := 0, 0, 0
		for range maxPages {
			page, err := readPage[T](ctx, c, r, offset)
			if err != nil {
				yield(none, err)
				return
			}
			known := func(row T) bool { return seen[id(row)] }
			if offset > 0 && overlap > 0 && !slices.ContainsFunc(page.Data, known) {
				offset = max(0, offset-pageLimit)
				continue
			}
			idle++
			for _, row := range page.Data {
				if rowID := id(row); rowID == "" || seen[rowID] {
					continue // a row without an id is of no use to anybody
				}
				idle = 0
				seen[id(row)] = true
				if !yield(row, nil) {
					return
				}
			}
			if !page.HasMore || len(page.Data) == 0 {
				return
			}
			if idle == idlePages {
				break
			}
			overlap = min(pageOverlap, len(page.Data)-1)
			offset += len(page.Data) - overlap
		}
		yield(none, c.api.Fail(r, &conversation.Error{Kind: conversation.Unavailable, Err: rest.ErrEndless}))
	}
}

func readPage[T any](ctx context.Context, c *Client, r rest.Request, offset int) (list[T], error) {
	q := url.Values{}
	for key, values := range r.Query {
		q[key] = values
	}
	q.Set("limit", strconv.Itoa(pageLimit))
	if offset > 0 {
		q.Set("offset", strconv.Itoa(offset))
	}
	r.Query = q
	var page list[T]
	err := c.call(ctx, r, &page)
	return page, err
}
