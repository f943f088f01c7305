package onerun_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/onerun"
)

// rows serves a list by offset, and changes it between pages.
type rows struct {
	ids      []string
	between  func(r *rows, request int)
	requests int
	cap      int // the server's own limit; 0: 100
	endless  bool
}

func ids(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("Cv%04d", i))
	}
	return out
}

func (r *rows) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.requests++
	if r.between != nil && r.requests > 1 {
		r.between(r, r.requests)
	}
	offset, _ := strconv.Atoi(req.URL.Query().Get("offset"))
	limit, _ := strconv.Atoi(req.URL.Query().Get("limit"))
	if r.cap > 0 {
		limit = min(limit, r.cap)
	}
	if limit > 100 || limit < 1 || offset < 0 {
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	start := min(offset, len(r.ids))
	end := min(start+limit, len(r.ids))
	type row struct {
		ID string `json:"id"`
	}
	out := struct {
		Data    []row `json:"data"`
		HasMore bool  `json:"has_more"`
	}{Data: []row{}, HasMore: end < len(r.ids) || r.endless}
	for _, id := range r.ids[start:end] {
		out.Data = append(out.Data, row{id})
	}
	_ = json.NewEncoder(w).Encode(out)
}

func TestPaging(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		rows  rows
		want  []string // nil: at least these in this order: rows.ids as they are at first
		extra []string // may or may not be there
		most  int      // requests
	}{
		{name: "None", want: []string{}, most: 1},
		{name: "One", rows: rows{ids: ids(0, 1)}, most: 1},
		{name: "APage", rows: rows{ids: ids(0, 100)}, most: 1},
		{name: "APageAndOne", rows: rows{ids: ids(0, 101)}, most: 2},
		{name: "Many", rows: rows{ids: ids(0, 1000)}, most: 11},
		{name: "SmallerPages", rows: rows{ids: ids(0, 100), cap: 30}, most: 6},
		{name: "SmallestPages", rows: rows{ids: ids(0, 9), cap: 1}, most: 18},
		{name: "EmptyPageEnds", rows: rows{endless: true}, want: []string{}, most: 1},
		{
			// Newest first: what is new pushes the rest to later pages.
			name: "NewRowsAppear", rows: rows{ids: ids(0, 300), between: func(r *rows, n int) {
				r.ids = slices.Concat(ids(1000+10*n, 1010+10*n), r.ids)
			}}, extra: ids(1000, 1100), most: 5,
		},
		{
			name: "APageOfNewRowsAppears", rows: rows{ids: ids(0, 300), between: func(r *rows, n int) {
				if n == 2 {
					r.ids = slices.Concat(ids(1000, 1150), r.ids)
				}
			}}, extra: ids(1000, 1150), most: 8,
		},
		{
			// A filtered list: what others claim pulls the rest to earlier pages.
			name: "FewRowsVanish", rows: rows{ids: ids(0, 300), between: func(r *rows, n int) {
				if n == 2 {
					r.ids = r.ids[5:]
				}
			}}, most: 4,
		},
		{
			name: "ManyRowsVanish", rows: rows{ids: ids(0, 300), between: func(r *rows, n int) {
				if n == 2 {
					r.ids = r.ids[60:]
				}
			}}, most: 6,
		},
		{
			name: "PagesVanish", rows: rows{ids: ids(0, 700), between: func(r *rows, n int) {
				if n == 5 {
					r.ids = r.ids[350:]
				}
			}}, most: 12,
		},
		{
			name: "AllThatWasReadVanishes", rows: rows{ids: ids(0, 150), between: func(r *rows, n int) {
				if n == 2 {
					r.ids = ids(100, 150)
				}
			}}, most: 4,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := tt.want
			if want == nil {
				want = slices.Clone(tt.rows.ids)
			}
			server := serve(t, map[string]http.HandlerFunc{"/": tt.rows.ServeHTTP})
			c := newClient(t, onerun.ClientConfig{BaseURL: server.URL})
			got := []string{}
			for cv, err := range c.Conversations(t.Context(), "P", "S", "queued") {
				require.NoError(t, err)
				require.NotContains(t, got, cv.ID, "every row once")
				got = append(got, cv.ID)
			}
			got = slices.DeleteFunc(got, func(id string) bool { return slices.Contains(tt.extra, id) })
			require.Equal(t, want, got)
			require.LessOrEqual(t, tt.rows.requests, tt.most, "requests")
		})
	}
}

func TestPagingOfAnEndlessList(t *testing.T) {
	t.Parallel()
	requests := 0
	server := serve(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) {
		requests++ // whatever the offset, the same page
		ok(`{"data":[{"id":"A"},{"id":"B"}],"has_more":true}`)(w, r)
	}})
	c := newClient(t, onerun.ClientConfig{BaseURL: server.URL})
	var got []string
	var failure error
	for p, err := range c.Projects(t.Context()) {
		if err != nil {
			failure = err
			continue
		}
		got = append(got, p.ID)
	}
	require.Equal(t, []string{"A", "B"}, got)
	require.ErrorContains(t, failure, "onerun: list projects: the list does not end")
	require.True(t, conversation.IsKind(failure, conversation.Unavailable))
	require.Less(t, requests, 10)
}

func TestPagingStopsWhenToldTo(t *testing.T) {
	t.Parallel()
	r := rows{ids: ids(0, 500)}
	server := serve(t, map[string]http.HandlerFunc{"/": r.ServeHTTP})
	c := newClient(t, onerun.ClientConfig{BaseURL: server.URL})
	for _, err := range c.Agents(t.Context(), "P") {
		require.NoError(t, err)
		break
	}
	require.Equal(t, 1, r.requests)
}

func TestPagingFailsInTheMiddle(t *testing.T) {
	t.Parallel()
	r := rows{ids: ids(0, 500)}
	server := serve(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, req *http.Request) {
		if r.requests == 2 {
			answer(500, nil, "Internal Server Error")(w, req)
			return
		}
		r.ServeHTTP(w, req)
	}})
	c := newClient(t, onerun.ClientConfig{BaseURL: server.URL})
	n := 0
	var failure error
	for _, err := range c.Conversations(t.Context(), "P", "S", "") {
		if err != nil {
			require.NoError(t, failure, "one error, the last thing")
			failure = err
		} else {
			n++
		}
	}
	require.ErrorContains(t, failure, "500")
	require.Equal(t, 190, n)
}

func TestRowsWithoutID(t *testing.T) {
	t.Parallel()
	server := serve(t, always(200, nil, `{"data":[{"name":"?"},{"id":"A"}],"has_more":false}`))
	c := newClient(t, onerun.ClientConfig{BaseURL: server.URL})
	var got []string
	for p, err := range c.Projects(t.Context()) {
		var row *platforms.RowError
		if errors.As(err, &row) {
			require.EqualError(t, err, "a row cannot be read: it has no id that is a text")
			continue
		}
		require.NoError(t, err)
		got = append(got, p.ID)
	}
	require.Equal(t, []string{"A"}, got)
}
