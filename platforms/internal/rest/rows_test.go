package rest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms/internal/rest"
)

var listing = rest.Request{Op: "list things", Method: http.MethodGet, Path: "/things"}

func TestRows(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body string
		rows []string // "id: data" or "id: error"
		more bool
		err  string
	}{
		"None":           {`{"data":[],"has_more":false}`, nil, false, ""},
		"Some":           {`{"data":[{"id":"a"},{"id":"b","n":[1,{"x":"]}\\\""}]}],"has_more":true}`, []string{`a: {"id":"a"}`, `b: {"id":"b","n":[1,{"x":"]}\\\""}]}`}, true, ""},
		"MoreFirst":      {` { "has_more" : true , "data" : [ {"id":"a"} , 7 , "x" ] } `, []string{`a: {"id":"a"}`, `: 7`, `: "x"`}, true, ""},
		"NumberAsID":     {`{"data":[{"n":1,"id":17}]}`, []string{`17: {"n":1,"id":17}`}, false, ""},
		"RowNotJSON":     {`{"data":[{"id":"a","score":NaN},{"id":"b"}]}`, []string{`a: it is not JSON`, `b: {"id":"b"}`}, false, ""},
		"RowTooLong":     {`{"data":[{"id":"a","story":"` + strings.Repeat("x", 300) + `"},{"id":"b"}]}`, []string{`a: it is longer than 100 bytes`, `b: {"id":"b"}`}, false, ""},
		"LongestRow":     {`{"data":["` + strings.Repeat("x", 98) + `"]}`, []string{`: "` + strings.Repeat("x", 98) + `"`}, false, ""},
		"TooManyRows":    {`{"data":[1,2,3,4,5]}`, []string{": 1", ": 2", ": 3", ": 4"}, false, "more rows than are read: 4"},
		"AsManyAsMay":    {`{"data":[1,2,3,4]}`, []string{": 1", ": 2", ": 3", ": 4"}, false, ""},
		"TooLong":        {`{"data":[1],"x":"` + strings.Repeat("x", 2000) + `"}`, []string{": 1"}, false, "longer than 1000 bytes"},
		"BrokeOff":       {`{"data":[{"id":"a"},{"id":`, []string{`a: {"id":"a"}`}, false, "broke off"},
		"BrokeOffAfter":  {`{"data":[{"id":"a"}]`, []string{`a: {"id":"a"}`}, false, "broke off"},
		"NoComma":        {`{"data":[1 2]}`, []string{": 1"}, false, "not JSON"},
		"Null":           {`null`, nil, false, "is null"},
		"Nothing":        {`{}`, nil, false, `lacks "data"`},
		"NullRows":       {`{"data":null}`, nil, false, `"data" is null`},
		"ObjectOfRows":   {`{"data":{"id":"a"}}`, nil, false, `"data" is an object`},
		"Error":          {`{"error":{"message":"log in"}}`, nil, false, `lacks "data"`},
		"BareList":       {`[{"id":"a"}]`, nil, false, "a bare list"},
		"Empty":          {``, nil, false, "empty"},
		"Page":           {`<html>log in</html>`, nil, false, "web page"},
		"OddOtherField":  {`{"data":[1],"has_more":"yes"}`, []string{": 1"}, false, `"has_more" is a string`},
		"LongOtherField": {`{"total":[1,2],"data":[1]}`, []string{": 1"}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, answer(200, nil, tc.body))
			var other struct {
				HasMore bool `json:"has_more"`
			}
			var rows []string
			_, err := c.Rows(t.Context(), listing, rest.List{Field: "data", MaxRows: 4, MaxRow: 100, MaxBytes: 1000, Other: &other}, func(r rest.Row) error {
				require.Equal(t, len(rows), r.Index)
				text := string(r.Data)
				if r.Err != nil {
					text = r.Err.Error()
				}
				rows = append(rows, r.ID+": "+text)
				return nil
			})
			require.Equal(t, tc.rows, rows)
			require.Equal(t, tc.more, other.HasMore)
			if tc.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.err)
			require.Equal(t, conversation.Unavailable, conversation.KindOf(err))
			require.ErrorContains(t, err, "shop: list things")
		})
	}
}

func TestRowsStop(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	c := newClient(t, answer(200, nil, `{"data":[1,2,3]}`))
	n := 0
	_, err := c.Rows(t.Context(), listing, rest.List{Field: "data"}, func(rest.Row) error {
		n++
		return enough
	})
	require.Equal(t, enough, err)
	require.Equal(t, 1, n)
}

func TestRowsRefused(t *testing.T) {
	t.Parallel()
	c := newClient(t, answer(401, nil, `{"detail":"no key"}`))
	_, err := c.Rows(t.Context(), listing, rest.List{Field: "data"}, nil)
	require.Equal(t, conversation.Unauthorized, conversation.KindOf(err))
}

// A list of any length takes the memory of one row.
func TestRowsMemory(t *testing.T) { //nolint:paralleltest // it measures memory
	row := []byte(`{"id":"a","story":"` + strings.Repeat("x", 10<<20) + `"},`)
	c := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":[`)
		for range 6 {
			_, _ = w.Write(row)
		}
		_, _ = io.WriteString(w, `{"id":"last"}]}`)
	})
	c.Timeout = 5 * time.Minute
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var ids []string
	_, err := c.Rows(t.Context(), listing, rest.List{Field: "data", MaxRow: 1 << 20, MaxBytes: 1 << 30}, func(r rest.Row) error {
		ids = append(ids, r.ID)
		return nil
	})
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	require.Len(t, ids, 7)
	require.Equal(t, "last", ids[6])
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(50<<20), "60 MB were read")
}

// What splits an answer agrees with what decodes it.
func FuzzRows(f *testing.F) {
	for _, seed := range []string{`[]`, `[1,"a",{"b":[null,true]}]`, `["\\\"]",{"x":"\u0041"}]`, `[ 1 , 2 ]`, `[[[]],{}]`, `[1,]`, `[NaN]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, list []byte) {
		var want []json.RawMessage
		if json.Unmarshal(list, &want) != nil || len(want) > 1000 || bytes.TrimSpace(list)[0] != '[' {
			return
		}
		body := fmt.Sprintf(`{"data":%s}`, list)
		c := &rest.Client{Words: words, Base: "http://shop.test", Header: http.Header{}, HTTP: &http.Client{Transport: inMemory(body)}, Timeout: 1 << 40}
		var got []json.RawMessage
		_, err := c.Rows(t.Context(), listing, rest.List{Field: "data"}, func(r rest.Row) error {
			require.NoError(t, r.Err)
			got = append(got, r.Data)
			return nil
		})
		require.NoError(t, err)
		require.Len(t, got, len(want))
		for i := range want {
			require.JSONEq(t, string(want[i]), string(got[i]))
		}
	})
}

type inMemory string

func (m inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(m))), Request: req}, nil
}
