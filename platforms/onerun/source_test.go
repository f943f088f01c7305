package onerun_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/onerun"
)

const (
	simsRoute  = "GET /v1/simulations"
	convsRoute = "GET /v1/simulations/{sid}/conversations"
)

func TestAssigned(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]http.HandlerFunc{
		simsRoute: ok(`{"data":[
			{"id":"S1","agent_id":"Ag1","status":"in_progress"},
			{"id":"S2","agent_id":"Ag1","status":"in_progress"},
			{"id":"S3","agent_id":"Ag1","status":"queued"},
			{"id":"S4","agent_id":"Other","status":"in_progress"},
			{"id":"S5","agent_id":"Ag1","status":"in_progress"}],"has_more":false}`),
		convsRoute: func(w http.ResponseWriter, r *http.Request) {
			body := map[string]string{
				"S1": `{"data":[
					{"id":"C3","seq_id":3,"status":"queued","created_at":"2025-09-20T09:00:03","persona":{"summary":"A  curt\n buyer"}},
					{"id":"CX","seq_id":2,"status":"ended","created_at":"2025-09-20T09:00:00"},
					{"id":"C1","seq_id":1,"status":"queued","created_at":"2025-09-20T09:00:01","persona":{"summary":"` + strings.Repeat("é", 90) + `"}}],"has_more":false}`,
				"S2": `{"data":[
					{"id":"B9","seq_id":9,"status":"queued","created_at":"2025-09-20T09:00:02"},
					{"id":"B8","seq_id":10,"status":"queued","created_at":"2025-09-20T09:00:02"}],"has_more":false}`,
			}[r.PathValue("sid")]
			if body == "" { // S5 is gone since it was listed
				detail(404, "Simulation not found")(w, r)
				return
			}
			ok(body)(w, r)
		},
	})
	p := newPlatform(t, onerun.Config{Name: "east", BaseURL: server.URL})
	got, err := p.Assigned(t.Context(), "Pr1", "Ag1")
	require.NoError(t, err)
	second := func(s int) time.Time { return time.Date(2025, 9, 20, 9, 0, s, 0, time.UTC) }
	at := func(sim, id string) conversation.Ref {
		return conversation.Ref{Platform: "east", Project: "Pr1", Simulation: sim, Agent: "Ag1", ID: id}
	}
	require.Equal(t, []platforms.Assignment{
		{Ref: at("S1", "C1"), Created: second(1), Persona: strings.Repeat("é", 79) + "…"},
		{Ref: at("S2", "B9"), Created: second(2)},
		{Ref: at("S2", "B8"), Created: second(2)},
		{Ref: at("S1", "C3"), Created: second(3), Persona: "A curt buyer"},
	}, got)
}

// manySimulations serves n simulations of each conversations, in pages.
func manySimulations(n, each int, fail func(sid string) bool) map[string]http.HandlerFunc {
	page := func(w http.ResponseWriter, r *http.Request, rows []map[string]any) {
		var offset int
		_, _ = fmt.Sscan(r.URL.Query().Get("offset"), &offset)
		start := min(offset, len(rows))
		end := min(start+100, len(rows))
		_ = json.NewEncoder(w).Encode(map[string]any{"data": rows[start:end], "has_more": end < len(rows)})
	}
	return map[string]http.HandlerFunc{
		simsRoute: func(w http.ResponseWriter, r *http.Request) {
			var rows []map[string]any
			for s := range n {
				rows = append(rows, map[string]any{"id": fmt.Sprintf("S%03d", s), "agent_id": "Ag1", "status": "in_progress"})
			}
			page(w, r, rows)
		},
		convsRoute: func(w http.ResponseWriter, r *http.Request) {
			sid := r.PathValue("sid")
			if fail != nil && fail(sid) {
				answer(500, nil, "Internal Server Error")(w, r)
				return
			}
			var rows []map[string]any
			for c := each - 1; c >= 0; c-- {
				rows = append(rows, map[string]any{
					"id": fmt.Sprintf("%s-%04d", sid, c), "seq_id": c + 1, "status": r.URL.Query().Get("status"),
					"created_at": time.Unix(int64(c), 0).UTC().Format("2006-01-02T15:04:05"),
				})
			}
			page(w, r, rows)
		},
	}
}

func TestAssignedPagesThroughEverything(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, onerun.Config{BaseURL: serve(t, manySimulations(120, 150, nil)).URL})
	got, err := p.Assigned(t.Context(), "Pr1", "Ag1")
	require.NoError(t, err)
	require.Len(t, got, 120*150)
	require.True(t, slices.IsSortedFunc(got, func(a, b platforms.Assignment) int { return a.Created.Compare(b.Created) }), "oldest first")
	unique := map[conversation.Ref]bool{}
	for _, a := range got {
		unique[a.Ref] = true
	}
	require.Len(t, unique, 120*150)
}

func TestAssignedWithOneBrokenSimulation(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, onerun.Config{BaseURL: serve(t, manySimulations(20, 3, func(sid string) bool { return sid == "S007" })).URL})
	got, err := p.Assigned(t.Context(), "Pr1", "Ag1")
	require.ErrorContains(t, err, "S007")
	require.Equal(t, conversation.Unavailable, conversation.KindOf(err))
	require.Len(t, got, 19*3, "the others go on")
}

// TestAssignedGivesUp: a server that is down is not asked a hundred times.
func TestAssignedGivesUp(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	p := newPlatform(t, onerun.Config{BaseURL: serve(t, manySimulations(100, 1, func(string) bool { asked.Add(1); return true })).URL})
	got, err := p.Assigned(t.Context(), "Pr1", "Ag1")
	require.Error(t, err)
	require.Empty(t, got)
	require.LessOrEqual(t, asked.Load(), int32(12))

	p = newPlatform(t, onerun.Config{BaseURL: serve(t, map[string]http.HandlerFunc{simsRoute: detail(404, "Project not found")}).URL})
	_, err = p.Assigned(t.Context(), "Pr1", "Ag1")
	require.Equal(t, conversation.NotFound, conversation.KindOf(err))
}

func TestOpen(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]http.HandlerFunc{
		simsRoute: ok(`{"data":[{"id":"S1","agent_id":"Ag1","status":"in_progress"}],"has_more":false}`),
		convsRoute: ok(`{"data":[
			{"id":"Talking","seq_id":1,"status":"in_progress","created_at":"2025-09-20T09:00:01","updated_at":"2025-09-20T09:00:05"},
			{"id":"Silent","seq_id":2,"status":"in_progress","created_at":"2025-09-20T09:00:02","updated_at":"2025-09-20T09:00:06"},
			{"id":"Undated","seq_id":3,"status":"in_progress","created_at":"2025-09-20T09:00:03","updated_at":null},
			{"id":"Broken","seq_id":4,"status":"in_progress","created_at":"2025-09-20T09:00:04","updated_at":"2025-09-20T09:00:08"},
			{"id":"Gone","seq_id":5,"status":"in_progress","created_at":"2025-09-20T09:00:04","updated_at":"2025-09-20T09:00:08"}],"has_more":false}`),
		itemsRoute: func(w http.ResponseWriter, r *http.Request) {
			switch r.PathValue("cid") {
			case "Talking":
				ok(`{"data":[{"id":"I1","created_at":"2025-09-20T09:00:09"},{"id":"I2","created_at":"2025-09-20T09:01:10"}]}`)(w, r)
			case "Broken":
				answer(500, nil, "Internal Server Error")(w, r)
			case "Gone":
				detail(404, "Conversation not found")(w, r)
			default:
				ok(`{"data":[]}`)(w, r)
			}
		},
	})
	got, err := newPlatform(t, onerun.Config{BaseURL: server.URL}).Open(t.Context(), "Pr1", "Ag1")
	require.ErrorContains(t, err, "Broken")
	touched := map[string]string{}
	for _, a := range got {
		touched[a.Ref.ID] = a.Touched.Format(time.TimeOnly)
	}
	require.Equal(t, map[string]string{"Talking": "09:01:10", "Silent": "09:00:06", "Undated": "09:00:03"}, touched,
		"a conversation that cannot be read must not look abandoned")
}

// TestOpenReadsAFewAtATime lets nobody go before four are there, and never has
// more.
func TestOpenReadsAFewAtATime(t *testing.T) {
	t.Parallel()
	routes := manySimulations(1, 16, nil)
	var mu sync.Mutex
	now, most := 0, 0
	four := make(chan struct{})
	routes[itemsRoute] = func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		if now++; now == 4 && most < 4 {
			close(four)
		}
		most = max(most, now)
		mu.Unlock()
		<-four
		mu.Lock()
		now--
		mu.Unlock()
		ok(`{"data":[]}`)(w, r)
	}
	got, err := newPlatform(t, onerun.Config{BaseURL: serve(t, routes).URL}).Open(t.Context(), "Pr1", "Ag1")
	require.NoError(t, err)
	require.Len(t, got, 16)
	require.Equal(t, 4, most)
}
