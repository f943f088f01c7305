package onerun_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/onerun"
)

// sound are two conversations that every list here has.
const sound = `{"id":"Good1","seq_id":1,"status":"queued","created_at":"2025-09-20T09:00:01"},
	{"id":"Good2","seq_id":2,"status":"queued","created_at":"2025-09-20T09:00:02"}`

// One row that cannot be read holds up no other.
func TestOneBadRow(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		row   string
		found bool   // it can be run all the same
		id    string // of the RowError
		err   string
	}{
		"OddSummary":    {row: `{"id":"Odd","status":"queued","created_at":"2025-09-20T09:00:00","persona":{"summary":5}}`, found: true},
		"OddPersona":    {row: `{"id":"Odd","status":"queued","created_at":"2025-09-20T09:00:00","persona":"buyer"}`, found: true},
		"PersonaList":   {row: `{"id":"Odd","status":"queued","created_at":"2025-09-20T09:00:00","persona":[]}`, found: true},
		"OddSeq":        {row: `{"id":"Odd","status":"queued","created_at":"2025-09-20T09:00:00","seq_id":"three"}`, found: true},
		"OddTime":       {row: `{"id":"Odd","status":"queued","created_at":1758358800}`, found: true},
		"OddMetadata":   {row: `{"id":"Odd","status":"queued","metadata":"none","evaluations":5}`, found: true},
		"NumberAsID":    {row: `{"id":17,"status":"queued"}`, id: "17", err: "has no id that is a text"},
		"NullID":        {row: `{"id":null,"status":"queued"}`, err: "has no id"},
		"NoID":          {row: `{"status":"queued"}`, err: "has no id"},
		"Null":          {row: `null`, err: "has no id"},
		"Text":          {row: `"Odd"`, err: "has no id"},
		"List":          {row: `[]`, err: "has no id"},
		"LongID":        {row: `{"id":"` + strings.Repeat("x", 5000) + `","status":"queued"}`, id: strings.Repeat("x", 200), err: "its id is longer"},
		"NotANumber":    {row: `{"id":"Odd","status":"queued","seq_id":NaN}`, id: "Odd", err: "not JSON"},
		"FiveMegabytes": {row: `{"id":"Odd","status":"queued","persona":{"story":"` + strings.Repeat("x", 5<<20) + `"}}`, id: "Odd", err: "longer than 4 MiB"},
		"OddStatus":     {row: `{"id":"Odd","status":7}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, map[string]http.HandlerFunc{
				simsRoute:  ok(`{"data":[{"id":"S1","agent_id":"Ag1","status":"in_progress"}],"has_more":false}`),
				convsRoute: ok(`{"data":[` + sound + `,` + tc.row + `],"has_more":false}`),
			})
			got, err := newPlatform(t, onerun.Config{BaseURL: server.URL}).Assigned(t.Context(), "Pr1", "Ag1")
			var ids []string
			for _, a := range got {
				ids = append(ids, a.Ref.ID)
			}
			require.Subset(t, ids, []string{"Good1", "Good2"})
			require.Equal(t, tc.found, slices.Contains(ids, "Odd"))
			faults, rest := platforms.RowErrors(err)
			require.NoError(t, rest)
			if tc.err == "" {
				require.Empty(t, faults)
				return
			}
			require.Len(t, faults, 1)
			require.Equal(t, "S1", faults[0].Simulation)
			require.True(t, faults[0].ID == tc.id || len(tc.id) > 100 && strings.HasPrefix(faults[0].ID, tc.id) && len(faults[0].ID) < 400)
			require.ErrorContains(t, faults[0], tc.err)
		})
	}
}

// A simulation that cannot be read holds up no other, whatever it answers.
func TestOneBadSimulation(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		row    string // of the simulation
		answer http.HandlerFunc
		none   bool // that is no error
	}{
		"OddName":      {row: `{"id":"Bad","agent_id":"Ag1","status":"in_progress","name":5,"agent":7,"objectives":"x"}`, answer: ok(`{"data":[]}`), none: true},
		"NoID":         {row: `{"agent_id":"Ag1","status":"in_progress"}`},
		"BadRequest":   {answer: detail(400, "no")},
		"Forbidden":    {answer: detail(403, "no")},
		"Unauthorized": {answer: detail(401, "no")},
		"Gone":         {answer: detail(404, "no"), none: true},
		"GonePage":     {answer: answer(404, nil, "<html>")},
		"Faults":       {answer: detail(422, "no")},
		"Broken":       {answer: answer(500, nil, "Internal Server Error")},
		"Gateway":      {answer: answer(502, nil, "<html>")},
		"Login":        {answer: answer(200, nil, "<html>")},
		"Nothing":      {answer: ok(`{}`)},
		"Null":         {answer: ok(`null`)},
		"BareList":     {answer: ok(`[]`)},
		"Error":        {answer: ok(`{"error":"log in"}`)},
		"Cut":          {answer: cut("")},
		"Redirect":     {answer: redirectTo("https://login.example/")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.row == "" {
				tc.row = `{"id":"Bad","agent_id":"Ag1","status":"in_progress"}`
			}
			server := serve(t, map[string]http.HandlerFunc{
				simsRoute: ok(`{"data":[{"id":"S1","agent_id":"Ag1","status":"in_progress"},` + tc.row + `],"has_more":false}`),
				convsRoute: func(w http.ResponseWriter, r *http.Request) {
					if r.PathValue("sid") == "Bad" {
						tc.answer(w, r)
						return
					}
					ok(`{"data":[`+sound+`],"has_more":false}`)(w, r)
				},
			})
			got, err := newPlatform(t, onerun.Config{BaseURL: server.URL}).Assigned(t.Context(), "Pr1", "Ag1")
			require.Len(t, got, 2)
			faults, rest := platforms.RowErrors(err)
			require.NoError(t, rest)
			if tc.none {
				require.Empty(t, faults)
				return
			}
			require.Len(t, faults, 1)
			if tc.answer != nil {
				require.Equal(t, "Bad", faults[0].Simulation)
			}
		})
	}
}

// Where nothing answers at all, that is the platform's own fault and no simulation's.
func TestServiceAway(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{"Cut": cut(""), "Gateway": answer(502, nil, "<html>"), "Login": answer(200, nil, "<html>")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			routes := manySimulations(30, 1, nil)
			routes[convsRoute] = handler
			got, err := newPlatform(t, onerun.Config{BaseURL: serve(t, routes).URL}).Assigned(t.Context(), "Pr1", "Ag1")
			require.Empty(t, got)
			faults, rest := platforms.RowErrors(err)
			require.Empty(t, faults)
			require.Equal(t, conversation.Unavailable, conversation.KindOf(rest))
		})
	}
}

// Half of 40 simulations answer errors: each of the others is read, every time.
func TestFailingSimulationsHideNoOther(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, onerun.Config{BaseURL: serve(t, manySimulations(40, 1, func(sid string) bool { return sid < "S010" })).URL})
	for range 10 {
		got, err := p.Assigned(t.Context(), "Pr1", "Ag1")
		require.Len(t, got, 30)
		faults, rest := platforms.RowErrors(err)
		require.NoError(t, rest)
		require.Len(t, faults, 10)
	}
}

// What Open lists without a time would look abandoned.
func TestOpenWithoutATime(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]http.HandlerFunc{
		simsRoute:  ok(`{"data":[{"id":"S1","agent_id":"Ag1","status":"in_progress"}],"has_more":false}`),
		convsRoute: ok(`{"data":[{"id":"Odd","status":"in_progress","created_at":5,"updated_at":"soon"}],"has_more":false}`),
		itemsRoute: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			ok(`{"data":[{"created_at":7}]}`)(w, r)
		},
	})
	got, err := newPlatform(t, onerun.Config{BaseURL: server.URL}).Open(t.Context(), "Pr1", "Ag1")
	require.Empty(t, got)
	faults, rest := platforms.RowErrors(err)
	require.NoError(t, rest)
	require.Len(t, faults, 1)
	require.Equal(t, "Odd", faults[0].ID)
	require.ErrorContains(t, err, "no time that can be read")
}

// A fault in a descriptive field loses no conversation.
func TestContextOfOddFields(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]http.HandlerFunc{
		convRoute: ok(`{"id":"Cv7","status":"queued","seq_id":"x","created_at":5,"evaluations":{},"metadata":[],
			"persona":{"id":7,"summary":5,"story":"Ordered a lamp.","purpose":null,"attributes":"none","seq_id":"one","created_at":true}}`),
		simRoute: ok(`{"id":"S8f","name":5,"scenario":"Parcels are late","max_turns":"5","expires_at":[],"agent":"bot",
			"objectives":[{"id":"Ob1","name":7,"criteria":"Is polite","version":"2"},5]}`),
	})
	got, err := newPlatform(t, onerun.Config{BaseURL: server.URL}).Context(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, "Ordered a lamp.", got.Persona.Story)
	require.Equal(t, "Parcels are late", got.Scenario)
	require.Equal(t, "Is polite", got.Objectives[0].Criteria)
	require.Empty(t, got.Persona.Summary)
}

// A transcript is whole, or none: what has been said is counted by its items.
func TestTranscriptOfOddItems(t *testing.T) {
	t.Parallel()
	const good = `{"id":"I1","role":"user","type":"message","content":[{"type":"text","text":"Hello"}],"created_at":"2025-09-20T09:00:09"}`
	for name, tc := range map[string]struct {
		item string
		more string
		err  string
		text string
	}{
		"OddTimes":      {item: `{"id":7,"role":"assistant","type":5,"conversation_id":[],"created_at":5,"content":[{"type":"text","text":"Hi"}]}`, text: "Hi"},
		"NoBlocks":      {item: `{"id":"I2","role":"assistant","content":[]}`},
		"UnknownBlock":  {item: `{"id":"I2","role":"assistant","content":[{"type":"image","text":5}]}`},
		"NoRole":        {item: `{"id":"I2","content":[{"type":"text","text":"Hi"}]}`, err: "item 1 of the transcript cannot be read: it has no role"},
		"OddRole":       {item: `{"id":"I2","role":1,"content":[]}`, err: `its field "role" is a number`},
		"NoContent":     {item: `{"id":"I2","role":"assistant"}`, err: "it has no content"},
		"ContentIsText": {item: `{"id":"I2","role":"assistant","content":"Hi"}`, err: `its field "content" is a string`},
		"BlockIsText":   {item: `{"id":"I2","role":"assistant","content":["Hi"]}`, err: "a block is no object"},
		"NoText":        {item: `{"id":"I2","role":"assistant","content":[{"type":"text"}]}`, err: "has no text"},
		"OddText":       {item: `{"id":"I2","role":"assistant","content":[{"type":"text","text":5}]}`, err: "has no text"},
		"Null":          {item: `null`, err: "it has no role"},
		"Number":        {item: `7`, err: "item 1"},
		"TooLong":       {item: `{"id":"I2","role":"assistant","content":[{"type":"text","text":"` + strings.Repeat("x", 5<<20) + `"}]}`, err: "longer than 4 MiB"},
		"OnlyAPart":     {item: good, more: `,"has_more":true`, err: "only a part"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, map[string]http.HandlerFunc{
				convRoute:  conv("in_progress", ""),
				itemsRoute: ok(`{"data":[` + good + `,` + tc.item + `]` + tc.more + `}`),
			})
			got, err := newPlatform(t, onerun.Config{BaseURL: server.URL}).Transcript(t.Context(), ref)
			if tc.err != "" {
				require.Equal(t, conversation.Unavailable, conversation.KindOf(err))
				require.ErrorContains(t, err, tc.err)
				require.Empty(t, got.Messages)
				return
			}
			require.NoError(t, err)
			require.Len(t, got.Messages, 2)
			require.Equal(t, conversation.RoleAssistant, got.Messages[1].Role)
			require.Equal(t, tc.text, got.Messages[1].Text())
		})
	}
}

// A server that sends whatever it likes and never comes to an end costs a bounded
// amount of memory and of requests.
func TestEndlessLists(t *testing.T) { //nolint:paralleltest // it measures memory
	const perPage = 100_000
	requests := 0
	server := serve(t, map[string]http.HandlerFunc{
		simsRoute: func(w http.ResponseWriter, _ *http.Request) {
			requests++
			page := requests
			_, _ = io.WriteString(w, `{"has_more":true,"data":[`)
			for i := range perPage {
				comma := ","
				if i == 0 {
					comma = ""
				}
				if _, err := fmt.Fprintf(w, `%s{"id":"S%d-%d","agent_id":"Other","status":"in_progress","scenario":"%s"}`, comma, page, i, strings.Repeat("x", 1000)); err != nil {
					return
				}
			}
			_, _ = io.WriteString(w, `]}`)
		},
	})
	p := newPlatform(t, onerun.Config{BaseURL: server.URL, Timeout: time.Minute})
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := p.Assigned(t.Context(), "Pr1", "Ag1")
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Empty(t, got)
	require.ErrorContains(t, err, "more rows than are read")
	require.Equal(t, conversation.Unavailable, conversation.KindOf(err))
	require.Equal(t, 1, requests)
	require.Less(t, after.Sys-before.Sys, uint64(100<<20))

	data, err := json.Marshal(got)
	require.NoError(t, err)
	require.Equal(t, "[]", string(data))
}

// A list that is full of rows that cannot be read says so in few words.
func TestManyBadRows(t *testing.T) {
	t.Parallel()
	rows := make([]string, 1000)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"id":%d}`, i)
	}
	server := serve(t, map[string]http.HandlerFunc{
		simsRoute:  ok(`{"data":[{"id":"S1","agent_id":"Ag1","status":"in_progress"}],"has_more":false}`),
		convsRoute: ok(`{"data":[` + strings.Join(rows, ",") + `,` + sound + `],"has_more":false}`),
	})
	got, err := newPlatform(t, onerun.Config{BaseURL: server.URL}).Assigned(t.Context(), "Pr1", "Ag1")
	require.Len(t, got, 2)
	faults, rest := platforms.RowErrors(err)
	require.NoError(t, rest)
	require.Len(t, faults, 101)
	require.ErrorContains(t, faults[100], "900 more rows cannot be read")
}
