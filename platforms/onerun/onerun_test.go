package onerun_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/onerun"
)

const (
	convRoute  = "GET /v1/simulations/{sid}/conversations/{cid}"
	simRoute   = "GET /v1/simulations/{sid}"
	startRoute = "POST /v1/simulations/{sid}/conversations/{cid}/start"
	sendRoute  = "POST /v1/simulations/{sid}/conversations/{cid}/responses"
	endRoute   = "POST /v1/simulations/{sid}/conversations/{cid}/end"
	itemsRoute = "POST /v1/simulations/{sid}/conversations/{cid}/items"
)

func conv(status, reason string) http.HandlerFunc {
	return ok(fmt.Sprintf(`{"id":"Cv7","simulation_id":"S8f","status":%q,"end_reason":%q}`, status, reason))
}

func hello(text string) platforms.Send {
	return platforms.Send{Messages: []conversation.Message{conversation.Text(conversation.RoleAssistant, text)}, IdempotencyKey: "k/1"}
}

func TestSend(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer string
		want   platforms.Reply
	}{
		{name: "GoesOn", answer: `{"ended":false,"output":[{"type":"message","content":[{"type":"text","text":"Where?"}]}]}`,
			want: platforms.Reply{Messages: []conversation.Message{conversation.Text(conversation.RoleUser, "Where?")}}},
		{name: "LastWords", answer: `{"ended":true,"output":[{"type":"message","content":[{"type":"text","text":"Bye."}]}]}`,
			want: platforms.Reply{Ended: true, Messages: []conversation.Message{conversation.Text(conversation.RoleUser, "Bye.")}}},
		{name: "LeavesWithoutAWord", answer: `{"ended":true,"output":[]}`, want: platforms.Reply{Ended: true}},
		{name: "Echo", answer: `{"ended":false,"output":[{"type":"message","role":"assistant","content":[{"type":"text","text":"Hi."}]},
			{"type":"message","role":"user","content":[{"type":"text","text":"Where?"}]}]}`,
			want: platforms.Reply{
				Messages: []conversation.Message{conversation.Text(conversation.RoleUser, "Where?")},
				Echo:     []conversation.Message{conversation.Text(conversation.RoleAssistant, "Hi.")},
			}},
		{name: "UnknownBlock", answer: `{"ended":false,"output":[{"type":"message","content":[{"type":"text","text":"Look:"},{"type":"image","url":"x"}]}]}`,
			want: platforms.Reply{Messages: []conversation.Message{{Role: conversation.RoleUser, Parts: []conversation.Part{
				{Type: conversation.PartText, Text: "Look:"},
				{Type: conversation.PartData, Data: []byte(`{"type":"image","url":"x"}`)},
			}}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, map[string]http.HandlerFunc{
				sendRoute: ok(tt.answer),
				// Calling end after "ended": true is the mistake to be avoided.
				endRoute: func(http.ResponseWriter, *http.Request) { t.Error("end was called") },
			})
			p := newPlatform(t, onerun.Config{BaseURL: server.URL})
			got, err := p.Send(t.Context(), ref, hello("Hi."))
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestSendNothingToSay(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]http.HandlerFunc{"/": func(http.ResponseWriter, *http.Request) { t.Error("it was sent") }})
	p := newPlatform(t, onerun.Config{BaseURL: server.URL})
	for _, m := range []conversation.Message{
		conversation.Text(conversation.RoleAssistant, ""),
		conversation.Text(conversation.RoleAssistant, " \n\t"),
		{Role: conversation.RoleAssistant},
	} {
		_, err := p.Send(t.Context(), ref, platforms.Send{Messages: []conversation.Message{
			conversation.Text(conversation.RoleAssistant, "Hi."), m,
		}})
		require.True(t, conversation.IsKind(err, conversation.Invalid))
		require.ErrorContains(t, err, "message 2 of 2 has neither text nor data")
	}
}

// Data is an answer: OneRun, which carries text only, gets its JSON.
func TestSendData(t *testing.T) {
	t.Parallel()
	var sent string
	server := serve(t, map[string]http.HandlerFunc{sendRoute: func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = string(body)
		ok(`{"ended":true,"output":[]}`)(w, r)
	}})
	_, err := newPlatform(t, onerun.Config{BaseURL: server.URL}).Send(t.Context(), ref, platforms.Send{Messages: []conversation.Message{
		{Role: conversation.RoleAssistant, Parts: []conversation.Part{{Type: conversation.PartData, Data: []byte(`{"order": 17}`)}}},
	}})
	require.NoError(t, err)
	require.Contains(t, sent, `{\"order\":17}`)
}

// TestRefused: what a 400 means is in the conversation, not in the answer.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		code int
		conv http.HandlerFunc
		send conversation.Kind
		end  conversation.Kind // empty: no error
	}{
		{name: "Ended", code: 400, conv: conv("ended", "persona_decided"), send: conversation.Ended},
		{name: "Failed", code: 400, conv: conv("failed", ""), send: conversation.Ended},
		{name: "Queued", code: 400, conv: conv("queued", ""), send: conversation.Invalid, end: conversation.Invalid},
		{name: "UnknownStatus", code: 400, conv: conv("paused", ""), send: conversation.Invalid, end: conversation.Invalid},
		{name: "Gone", code: 400, conv: detail(404, "gone"), send: conversation.NotFound, end: conversation.NotFound},
		{name: "CannotLook", code: 400, conv: answer(503, nil, ""), send: conversation.Unavailable, end: conversation.Unavailable},
		{name: "BusyCannotLook", code: 409, conv: answer(503, nil, ""), send: conversation.Unavailable, end: conversation.Unavailable},
		{name: "BusyButEnded", code: 409, conv: conv("ended", ""), send: conversation.Ended},
		{name: "Busy", code: 409, conv: conv("in_progress", ""), send: conversation.Unavailable, end: conversation.Unavailable},
		{name: "NotOneRuns", code: 0, conv: conv("ended", ""), send: conversation.Unavailable, end: conversation.Unavailable},
		{name: "NotEvenLooked", code: 422, conv: conv("ended", ""), send: conversation.Invalid, end: conversation.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			refusal := detail(tt.code, "no")
			if tt.code == 0 {
				refusal = answer(400, nil, "<html>Bad Request</html>")
			}
			server := serve(t, map[string]http.HandlerFunc{sendRoute: refusal, endRoute: refusal, convRoute: tt.conv})
			p := newPlatform(t, onerun.Config{BaseURL: server.URL})
			_, err := p.Send(t.Context(), ref, hello("Hi."))
			require.Equal(t, tt.send, conversation.KindOf(err), "%v", err)
			switch {
			case tt.send == conversation.Ended:
				require.False(t, asError(t, err).Ambiguous)
			case tt.code == 409 && tt.send == conversation.Unavailable:
				require.True(t, asError(t, err).Ambiguous, "an earlier send may be at work")
			}
			require.Equal(t, tt.end, conversation.KindOf(p.End(t.Context(), ref)))
		})
	}
}

func TestClaim(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   conversation.Kind
	}{
		"Won":     {answer: ok(`{"message":"started"}`)},
		"Lost":    {answer: detail(409, "not queued"), want: conversation.Claimed},
		"Unknown": {answer: detail(404, "not found"), want: conversation.NotFound},
		"Broken":  {answer: answer(500, nil, "Internal Server Error"), want: conversation.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, map[string]http.HandlerFunc{startRoute: tt.answer})
			p := newPlatform(t, onerun.Config{BaseURL: server.URL})
			require.Equal(t, tt.want, conversation.KindOf(p.Claim(t.Context(), ref)))
		})
	}
}

const twoItems = `{"data":[
	{"id":"I1","role":"user","type":"message","content":[{"type":"text","text":"Where?"}],"created_at":"2025-09-20T09:03:10.001000"},
	{"id":"I2","role":"assistant","type":"message","content":[{"type":"text","text":"There."}],"created_at":"2025-09-20T09:03:20"}],"has_more":false}`

func TestTranscript(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 9, 20, 9, 3, 10, 1_000_000, time.UTC)
	messages := []conversation.Message{
		{Role: conversation.RoleUser, Parts: []conversation.Part{{Type: conversation.PartText, Text: "Where?"}}, Time: at},
		{Role: conversation.RoleAssistant, Parts: []conversation.Part{{Type: conversation.PartText, Text: "There."}}, Time: at.Add(9999 * time.Millisecond)},
	}
	for _, tt := range []struct {
		status, reason string
		want           platforms.Transcript
	}{
		{status: "pending", want: platforms.Transcript{State: platforms.StateWaiting}},
		{status: "queued", want: platforms.Transcript{State: platforms.StateWaiting}},
		{status: "in_progress", want: platforms.Transcript{State: platforms.StateOpen}},
		{status: "paused", want: platforms.Transcript{State: platforms.StateUnknown}},
		{status: "failed", want: platforms.Transcript{State: platforms.StateEnded, EndDetail: "failed"}},
		{status: "ended", want: platforms.Transcript{State: platforms.StateEnded}},
		{status: "ended", reason: "persona_decided",
			want: platforms.Transcript{State: platforms.StateEnded, EndedBy: conversation.EndedByPersona, EndDetail: "persona_decided"}},
		{status: "ended", reason: "max_turns_reached",
			want: platforms.Transcript{State: platforms.StateEnded, EndedBy: conversation.EndedByTurnLimit, EndDetail: "max_turns_reached"}},
		{status: "ended", reason: "agent_decided",
			want: platforms.Transcript{State: platforms.StateEnded, EndedBy: conversation.EndedByAgent, EndDetail: "agent_decided"}},
		{status: "ended", reason: "got_bored", want: platforms.Transcript{State: platforms.StateEnded, EndDetail: "got_bored"}},
	} {
		t.Run(tt.status+"_"+tt.reason, func(t *testing.T) {
			t.Parallel()
			server := serve(t, map[string]http.HandlerFunc{itemsRoute: ok(twoItems), convRoute: conv(tt.status, tt.reason)})
			p := newPlatform(t, onerun.Config{BaseURL: server.URL})
			got, err := p.Transcript(t.Context(), ref)
			require.NoError(t, err)
			tt.want.Messages = messages
			require.Equal(t, tt.want, got)
		})
	}
}

// TestTranscriptEndsWhileRead: the last words come between the two reads.
func TestTranscriptEndsWhileRead(t *testing.T) {
	t.Parallel()
	reads := 0
	server := serve(t, map[string]http.HandlerFunc{
		itemsRoute: func(w http.ResponseWriter, r *http.Request) {
			if reads++; reads == 1 {
				ok(`{"data":[],"has_more":false}`)(w, r)
				return
			}
			ok(twoItems)(w, r)
		},
		convRoute: conv("ended", "persona_decided"),
	})
	got, err := newPlatform(t, onerun.Config{BaseURL: server.URL}).Transcript(t.Context(), ref)
	require.NoError(t, err)
	require.Len(t, got.Messages, 2)
}

func TestContext(t *testing.T) {
	t.Parallel()
	routes := map[string]http.HandlerFunc{
		convRoute: ok(`{"id":"Cv7","simulation_id":"S8f","status":"queued","metadata":{"ticket":7},"persona":{"id":"Pe4","summary":"Impatient buyer",
			"story":"Ordered a lamp.","purpose":"Get a refund","metadata":{},"attributes":{"age_group":"adult","habits":"","version":1,
			"interests":["lamps","parcels"],"education":null,"vip":true}}}`),
		simRoute: ok(`{"id":"S8f","name":"late parcels","scenario":"Parcels are late","max_turns":5,"expires_at":"2025-09-21T09:00:00.400000",
			"agent":{"name":"returns-bot","metadata":{"tier":"gold"}},"metadata":null,
			"objectives":[{"id":"Ob1","name":"Polite","criteria":"Is polite","version":2}]}`),
	}
	server := serve(t, routes)
	want := conversation.Context{
		Persona: conversation.Persona{
			ID: "Pe4", Summary: "Impatient buyer", Story: "Ordered a lamp.", Purpose: "Get a refund",
			Attributes: map[string]string{"age_group": "adult", "version": "1", "interests": `["lamps","parcels"]`, "vip": "true"},
		},
		Scenario: "Parcels are late", Simulation: "late parcels", AgentName: "returns-bot", MaxMessages: 5,
		Objectives: []conversation.Objective{{ID: "Ob1", Name: "Polite", Criteria: "Is polite"}},
		Expires:    time.Date(2025, 9, 21, 9, 0, 0, 400_000_000, time.UTC),
		Metadata:   []byte(`{"agent":{"tier":"gold"},"conversation":{"ticket":7}}`),
	}
	got, err := newPlatform(t, onerun.Config{BaseURL: server.URL}).Context(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, want, got)

	want.AgentFirst = true
	got, err = newPlatform(t, onerun.Config{BaseURL: server.URL, Opening: onerun.OpeningAgent}).Context(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// Metadata ask for an executor in the place where the words of this project have
// it, the nearest to the conversation first.
func TestContextNamesTheExecutor(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ conversation, simulation, agent, want string }{
		"Conversation": {`{"executor":"a"}`, `{"executor":"b"}`, `{"executor":"c"}`, "a"},
		"Simulation":   {`{"executor":7}`, `{"executor":"b"}`, `{"executor":"c"}`, "b"},
		"Agent":        {`null`, `{}`, `{"executor":"c"}`, "c"},
		"Nobody":       {`{"ticket":7}`, `{}`, `{"executor":""}`, ""},
		"TooMuchElse":  {`{"executor":"a","big":"` + strings.Repeat("x", 20<<10) + `"}`, `{}`, `{}`, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, map[string]http.HandlerFunc{
				convRoute: ok(`{"id":"Cv7","status":"queued","metadata":` + row.conversation + `}`),
				simRoute:  ok(`{"id":"S8f","metadata":` + row.simulation + `,"agent":{"name":"x","metadata":` + row.agent + `}}`),
			})
			got, err := newPlatform(t, onerun.Config{BaseURL: server.URL}).Context(t.Context(), ref)
			require.NoError(t, err)
			require.Equal(t, row.want, got.Executor())
			require.Less(t, len(got.Metadata), 17<<10)
		})
	}
}

func TestContextOfLittle(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]http.HandlerFunc{
		convRoute: ok(`{"id":"Cv7","status":"queued","persona":null,"metadata":{"big":"` + strings.Repeat("x", 20<<10) + `"}}`),
		simRoute:  ok(`{"id":"S8f","agent":null,"objectives":null,"max_turns":null}`),
	})
	got, err := newPlatform(t, onerun.Config{BaseURL: server.URL}).Context(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, conversation.Context{}, got)
}

func TestContextOfTheUnknown(t *testing.T) {
	t.Parallel()
	for name, routes := range map[string]map[string]http.HandlerFunc{
		"Conversation":      {convRoute: detail(404, "Conversation not found"), simRoute: ok(`{}`)},
		"Simulation":        {convRoute: detail(404, "Simulation not found"), simRoute: answer(500, nil, "Internal Server Error")},
		"OnlyTheSimulation": {convRoute: ok(`{"id":"Cv7","status":"queued"}`), simRoute: detail(404, "Simulation not found")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newPlatform(t, onerun.Config{BaseURL: serve(t, routes).URL}).Context(t.Context(), ref)
			require.Equal(t, conversation.NotFound, conversation.KindOf(err), "%v", err)
		})
	}
}

// TestCancelledWhileSending returns at once, saying that it may have landed.
func TestCancelledWhileSending(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	p := newPlatform(t, onerun.Config{BaseURL: serve(t, map[string]http.HandlerFunc{sendRoute: hang(arrived)}).URL})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := p.Send(ctx, ref, hello("Hi."))
	require.ErrorIs(t, err, context.Canceled)
	e := asError(t, err)
	require.True(t, e.Ambiguous)
	require.False(t, e.Answered)
}
