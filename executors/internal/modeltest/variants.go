package modeltest

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// A Variant is a way in which some server answers, and what the executor makes of it.
type Variant struct {
	Stream []string // events as [WriteEvents] writes them
	Raw    string   // a stream byte by byte, in place of Stream
	Body   string   // a whole answer
	// Type is the Content-Type, if it is not the one of a stream or of a whole answer.
	Type string
	// Whole requests a whole answer; otherwise a stream is requested.
	Whole bool

	// Void is text that a server says before it begins its answer again.
	Void   string
	Reply  string   // the text, whether it is said or stands beside calls
	Calls  []string // "id name arguments"
	Finish executors.FinishReason
	Usage  conversation.Usage // compared if it is not zero

	Kind conversation.Kind // of the error; empty: success
	Text string            // part of the error

	// Next are parts of the request with the results of the calls, Not are none.
	Next, Not []string
}

// Variants tests each variant, with the tool find on offer.
func (v Vendor) Variants(t *testing.T, all map[string]Variant) {
	t.Helper()
	for name, row := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v.variant(t, row)
		})
	}
}

func (v Vendor) variant(t *testing.T, row Variant) {
	t.Helper()
	requests := make(chan string, 2)
	e := v.asking(t, row.Whole, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- string(body)
		row.write(w)
	}))
	said := ""
	req := Offering("Hi", conversation.Tool{Name: "find"})
	req.OnDelta = func(text string) { said += text }
	res, err := e.Execute(t.Context(), req)
	if row.Kind != "" {
		ce := RequireError(t, err, row.Kind, row.Text)
		if row.Usage != (conversation.Usage{}) {
			require.Equal(t, row.Usage, ce.Usage)
		}
		return
	}
	require.NoError(t, err)
	require.Equal(t, row.Reply, res.Message.Text())
	if !row.Whole && row.Body == "" {
		require.Equal(t, row.Void+row.Reply, said, "the pieces are the reply")
	}
	var calls []string
	for _, c := range res.Message.ToolCalls() {
		calls = append(calls, c.ID+" "+c.Name+" "+string(c.Arguments))
	}
	require.Equal(t, row.Calls, calls)
	if row.Finish != "" {
		require.Equal(t, row.Finish, res.FinishReason)
	}
	if row.Usage != (conversation.Usage{}) {
		require.Equal(t, row.Usage, res.Usage)
	}
	require.Nil(t, res.State)
	<-requests
	if len(calls) == 0 {
		return
	}
	var results []conversation.ToolResult
	for _, c := range res.Message.ToolCalls() {
		results = append(results, conversation.ToolResult{CallID: c.ID, Content: "yes"})
	}
	_, _ = e.Execute(t.Context(), Called(req, res, results...)) // only its request counts
	next := <-requests
	for _, part := range row.Next {
		require.Contains(t, next, part)
	}
	for _, part := range row.Not {
		require.NotContains(t, next, part)
	}
}

func (row Variant) write(w http.ResponseWriter) {
	if row.Body != "" {
		if row.Type == "" {
			row.Type = "application/json"
		}
		row.Raw = row.Body
	}
	if row.Raw == "" {
		WriteEvents(w, row.Stream...)
		return
	}
	if row.Type == "" {
		row.Type = "text/event-stream"
	}
	w.Header().Set("Content-Type", row.Type)
	_, _ = io.WriteString(w, row.Raw)
	if f, ok := w.(http.Flusher); ok {
		f.Flush() // in chunks, as a stream comes
	}
}
