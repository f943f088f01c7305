package ui

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newestFirst(list []records.Conversation) []records.Conversation {
	slices.SortFunc(list, func(a, b records.Conversation) int {
		return cmp.Or(b.Started.Compare(a.Started), strings.Compare(a.ID, b.ID))
	})
	return list
}

// ended is a conversation that has ended.
func ended(id, persona string) records.Record {
	return records.Record{
		Conversation: records.Conversation{
			ID: id, RunID: "run-" + id, Persona: persona, Agent: "ag_1", Simulation: "sim_1", Status: "closed", Outcome: conversation.OutcomeEnded,
			EndedBy: conversation.EndedByPersona, Turns: 2, Started: began, Ended: began.Add(3 * time.Second), Seconds: 3,
			Executors: []string{"gpt"}, Models: []string{"small"}, Tokens: 1234, Cost: 0.0125,
		},
		Executor: "gpt", Model: "small",
		Messages: []records.Message{
			{Index: 0, Role: conversation.RoleUser, Text: "Where is my order?", Time: began},
			{Index: 1, Role: conversation.RoleAssistant, Text: "On its way.", Time: began.Add(time.Second)},
		},
	}
}

func parked(id string) records.Record {
	r := ended(id, "Parked persona")
	r.Open, r.Outcome, r.EndedBy, r.Ended, r.Status = true, "", "", time.Time{}, string(workflows.StateNeedsAttention)
	r.Attention = &workflows.Attention{Since: began, Step: "turn 2 · reply", Kind: conversation.Unauthorized, Reason: "the key was refused", Remedy: "give another key"}
	return r
}

func approving(id string) records.Record {
	r := parked(id)
	r.Attention, r.Status = nil, string(workflows.StateNeedsApproval)
	r.Approvals = []workflows.Approval{{
		CallID: "call_1", Tool: "refund", Set: "shop", Name: "refund", Digest: "d1g35t", Since: began, Until: began.Add(time.Hour),
		Arguments: json.RawMessage(`{"amount": 100000000000000000001, "to": "<b>ada</b>"}`),
	}}
	return r
}

// A rig is a server with a reader that has its cookie.
type rig struct {
	*httptest.Server
	ui    *Server
	actor *fakeActor
}

func serve(t *testing.T, source Source, change ...func(*Config)) *rig {
	t.Helper()
	actor := &fakeActor{}
	c := Config{Source: source, Actor: actor, Operator: "ada", Where: "localhost:7233 · default"}
	for _, f := range change {
		f(&c)
	}
	s := newServer(c)
	r := &rig{Server: httptest.NewServer(s.Handler()), ui: s, actor: actor}
	t.Cleanup(func() {
		close(s.stopping)
		r.CloseClientConnections()
		r.Close()
	})
	return r
}

// do sends a request with the cookie; headers are given as "Name: value".
func (r *rig) do(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	return r.bare(t, method, path, body, append([]string{"Cookie: " + cookieName + "=" + r.ui.session}, headers...)...)
}

func (r *rig) bare(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	res := r.open(t, method, path, body, headers...)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(text)
}

func (r *rig) open(t *testing.T, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	res, err := r.Client().Do(req)
	require.NoError(t, err)
	return res
}

func (r *rig) get(t *testing.T, path string) string {
	t.Helper()
	res, text := r.do(t, http.MethodGet, path, "")
	require.Equal(t, http.StatusOK, res.StatusCode, text)
	return text
}

func TestTokenIsExchangedForACookie(t *testing.T) {
	t.Parallel()
	r := serve(t, newFake(ended("main/p/1", "Ada")))
	for _, path := range []string{"/", "/?token=wrong", "/static/page.css", "/events?of=%2F", "/conversation?id=main%2Fp%2F1"} {
		res, text := r.bare(t, http.MethodGet, path, "")
		require.Equal(t, http.StatusForbidden, res.StatusCode, path)
		require.NotContains(t, text, "Ada")
		require.Equal(t, policy, res.Header.Get("Content-Security-Policy"))
	}
	res, text := r.bare(t, http.MethodGet, "/?q=x&token="+r.ui.token, "")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.NotContains(t, text, r.ui.token)
	require.Equal(t, "0; url=/?q=x", res.Header.Get("Refresh"))
	cookie := res.Cookies()[0]
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
	require.NotEqual(t, r.ui.token, cookie.Value)
	res, text = r.bare(t, http.MethodGet, "/", "", "Cookie: "+cookieName+"="+cookie.Value)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Contains(t, text, "Ada")
	require.NotContains(t, text, r.ui.token)
	for name, want := range map[string]string{
		"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
	} {
		require.Equal(t, want, res.Header.Get(name))
	}
	res, _ = r.do(t, http.MethodGet, "/", "", "Host: evil.example")
	require.Equal(t, http.StatusMisdirectedRequest, res.StatusCode, "a page's name that resolves to this machine")
}

func TestPages(t *testing.T) {
	t.Parallel()
	r := serve(t, newFake(ended("main/p/1", "Ada"), parked("main/p/2"), approving("main/p/3")))
	list := r.get(t, "/")
	for _, text := range []string{"Ada", "ended by persona", "needs attention", "needs approval", "1\u202f234", "0.0125", "2 need a person", "gpt", "small", "sim_1"} {
		require.Contains(t, list, text)
	}
	waiting := r.get(t, "/waiting")
	for _, text := range []string{"the key was refused", "give another key", "turn 2 · reply", "d1g35t", "100000000000000000001", "&lt;b&gt;ada&lt;/b&gt;", `value="approve"`, `value="resume"`} {
		require.Contains(t, waiting, text)
	}
	require.NotContains(t, waiting, "Ada")
	require.Less(t, strings.Index(waiting, "d1g35t"), strings.Index(waiting, "the key was refused"), "approvals have a limit of time: they come first")
	one := r.get(t, "/conversation?id=main%2Fp%2F1")
	for _, text := range []string{"Where is my order?", "On its way.", "main/p/1", "ended by persona"} {
		require.Contains(t, one, text)
	}
	require.NotContains(t, one, `action="/act"`, "an ended conversation has no buttons")
	for path, want := range map[string]int{"/conversation?id=nope": 404, "/conversation": 404, "/nope": 404} {
		res, _ := r.do(t, http.MethodGet, path, "")
		require.Equal(t, want, res.StatusCode, path)
	}
}

func TestEmptyAndErrorStatesSayWhatToDo(t *testing.T) {
	t.Parallel()
	f := newFake()
	r := serve(t, f)
	require.Contains(t, r.get(t, "/"), "go run ./worker")
	require.Contains(t, r.get(t, "/?status=open"), "No conversation meets these conditions")
	require.Contains(t, r.get(t, "/waiting"), "Nothing waits for a person")
	f.fail(records.Faultf(records.Unreachable, nil, "list: Temporal at localhost:7233 does not answer"))
	require.Contains(t, r.get(t, "/"), "does not answer")
	res, text := r.do(t, http.MethodGet, "/conversation?id=x", "")
	require.Equal(t, http.StatusBadGateway, res.StatusCode)
	require.Contains(t, text, "Start Temporal")
}

func TestFilters(t *testing.T) {
	t.Parallel()
	other := ended("main/p/9", "Grace")
	other.Agent, other.Simulation, other.Executors, other.Models, other.Outcome = "ag_2", "sim_2", []string{"claude"}, []string{"large"}, conversation.OutcomeFailed
	r := serve(t, newFake(ended("main/p/1", "Ada"), other, parked("main/p/2")))
	for query, want := range map[string][]string{
		"":                       {"Ada", "Grace", "Parked persona"},
		"agent=ag_2":             {"Grace"},
		"simulation=sim_1":       {"Ada", "Parked persona"},
		"executor=claude":        {"Grace"},
		"model=small":            {"Ada", "Parked persona"},
		"outcome=failed":         {"Grace"},
		"status=open":            {"Parked persona"},
		"status=closed":          {"Ada", "Grace"},
		"status=needs_person":    {"Parked persona"},
		"status=needs_attention": {"Parked persona"},
		"q=grac":                 {"Grace"},
		"q=P/1":                  {"Ada"},
		"agent=ag_1&status=open": {"Parked persona"},
		"agent=none":             {},
		"sort=persona":           {"Ada", "Grace", "Parked persona"},
		"page=99":                {"Ada", "Grace", "Parked persona"},
	} {
		text := r.get(t, "/?"+query)
		for _, name := range []string{"Ada", "Grace", "Parked persona"} {
			require.Equal(t, slices.Contains(want, name), strings.Contains(text, ">"+name+"</a>"), "%s in %s", name, query)
		}
	}
	down := r.get(t, "/?sort=persona&order=down")
	require.Less(t, strings.Index(down, ">Parked persona</a>"), strings.Index(down, ">Ada</a>"))
}

func form(r *rig, values ...string) string {
	v := url.Values{"csrf": {r.ui.site.csrf}}
	for i := 0; i < len(values); i += 2 {
		v.Set(values[i], values[i+1])
	}
	return v.Encode()
}

const formType = "Content-Type: application/x-www-form-urlencoded"

func TestActs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		form []string
		want any
	}{
		{"Resume", []string{"action", "resume"}, workflows.ResumeRequest{By: "ada"}},
		{"NewReply", []string{"action", "resume-new-reply"}, workflows.ResumeRequest{By: "ada", NewReply: true}},
		{"Pause", []string{"action", "pause"}, workflows.PauseRequest{By: "ada"}},
		{"Takeover", []string{"action", "takeover", "text", "one\r\ntwo", "end", "yes"}, workflows.TakeoverRequest{By: "ada", Text: "one\ntwo", End: true}},
		{"End", []string{"action", "end", "reason", "enough"}, workflows.EndRequest{By: "ada", Reason: "enough"}},
		{"Approve", []string{"action", "approve", "call", "c", "digest", "d"}, workflows.ApproveRequest{By: "ada", CallID: "c", Digest: "d"}},
		{"Deny", []string{"action", "deny", "call", "c", "digest", "d", "reason", "no"}, workflows.ApproveRequest{By: "ada", CallID: "c", Digest: "d", Deny: true, Reason: "no"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := serve(t, newFake(parked("main/p/2")))
			body := form(r, append(tc.form, "id", "main/p/2")...)
			res, text := r.do(t, http.MethodPost, "/act", body, formType, "Origin: "+r.URL, "Accept: application/json")
			require.Equal(t, http.StatusOK, res.StatusCode, text)
			require.Contains(t, text, `"ok":true`)
			require.Equal(t, []any{tc.want}, r.actor.acts)
		})
	}
}

func TestRefusedActs(t *testing.T) {
	t.Parallel()
	r := serve(t, newFake(parked("main/p/2")))
	good := form(r, "action", "resume", "id", "main/p/2")
	own := "Origin: " + r.URL
	cookie := "Cookie: " + cookieName + "=" + r.ui.session
	for _, tc := range []struct {
		name    string
		body    string
		headers []string
		want    int
	}{
		{"NoCookie", good, []string{formType, own}, 403},
		{"OtherOrigin", good, []string{formType, cookie, "Origin: https://evil.example"}, 403},
		{"OtherPort", good, []string{formType, cookie, "Origin: http://127.0.0.1:1"}, 403},
		{"NullOrigin", good, []string{formType, cookie, "Origin: null"}, 403},
		{"NoOrigin", good, []string{formType, cookie}, 403},
		{"CrossSite", good, []string{formType, cookie, "Sec-Fetch-Site: cross-site"}, 403},
		{"SameSite", good, []string{formType, cookie, "Sec-Fetch-Site: same-site"}, 403},
		{"NoCSRF", "action=resume&id=main%2Fp%2F2", []string{formType, cookie, own}, 403},
		{"NotAForm", good, []string{"Content-Type: text/plain", cookie, own}, 415},
		{"TooLarge", good + "&text=" + strings.Repeat("x", maxForm), []string{formType, cookie, own}, 413},
		{"NoAction", form(r, "id", "main/p/2"), []string{formType, cookie, own}, 400},
		{"NoConversation", form(r, "action", "resume"), []string{formType, cookie, own}, 400},
		{"EmptyTakeover", form(r, "id", "x", "action", "takeover", "text", " "), []string{formType, cookie, own}, 400},
		{"ApprovalOfNothing", form(r, "id", "x", "action", "approve"), []string{formType, cookie, own}, 400},
	} {
		res, text := r.bare(t, http.MethodPost, "/act", tc.body, tc.headers...)
		require.Equal(t, tc.want, res.StatusCode, "%s: %s", tc.name, text)
	}
	require.Empty(t, r.actor.acts)

	reading := serve(t, newFake(parked("main/p/2"), approving("main/p/3")), func(c *Config) { c.Actor = nil })
	require.NotContains(t, reading.get(t, "/waiting"), `action="/act"`)
	res, _ := reading.do(t, http.MethodPost, "/act", form(reading, "action", "resume", "id", "main/p/2"), formType, "Origin: "+reading.URL)
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	require.Empty(t, reading.actor.acts)

	r.actor.err = records.Faultf(records.Rejected, nil, "resume: it is not parked")
	res, text := r.do(t, http.MethodPost, "/act", good, formType, own, "Accept: application/json")
	require.Equal(t, http.StatusConflict, res.StatusCode)
	require.JSONEq(t, `{"ok":false,"text":"resume: it is not parked"}`, text)
}

// An event as a browser gets it.
type event struct{ id, name, data string }

func nextEvent(t *testing.T, in *bufio.Reader) event {
	t.Helper()
	var e event
	for {
		text, err := in.ReadString('\n')
		require.NoError(t, err)
		name, value, _ := strings.Cut(strings.TrimSuffix(text, "\n"), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			if e.name != "" {
				return e
			}
		}
	}
}

func TestChangesAreSmall(t *testing.T) {
	t.Parallel()
	f := newFake(ended("main/p/1", "Ada"), parked("main/p/2"))
	r := serve(t, f)
	page := r.get(t, "/")
	_, version, _ := strings.Cut(page, `data-version="`)
	version, _, _ = strings.Cut(version, `"`)
	res := r.open(t, http.MethodGet, "/events?of=%2F&version="+version, "", "Cookie: "+cookieName+"="+r.ui.session)
	defer func() { _ = res.Body.Close() }()
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	in := bufio.NewReader(res.Body)
	require.Equal(t, "ready", nextEvent(t, in).name, "the page has all of it")

	f.put(ended("main/p/2", "Parked persona"))
	e := nextEvent(t, in)
	require.Equal(t, "patch", e.name)
	var p patch
	require.NoError(t, json.Unmarshal([]byte(e.data), &p))
	rows := map[string]regionPatch{}
	for _, region := range p.Regions {
		rows[region.ID] = region
	}
	require.Len(t, rows["rows"].Order, 2)
	require.Len(t, rows["rows"].Set, 1, "only the row that changed")
	require.Contains(t, rows["counts"].Set["counts"], "2 closed")
	require.NotContains(t, e.data, "Ada")

	again := r.open(t, http.MethodGet, "/events?of=%2F&version="+version, "", "Cookie: "+cookieName+"="+r.ui.session, "Last-Event-ID: "+e.id)
	defer func() { _ = again.Body.Close() }()
	require.Equal(t, "ready", nextEvent(t, bufio.NewReader(again.Body)).name, "a browser that comes back continues")
	stale := r.open(t, http.MethodGet, "/events?of=%2F&version="+version, "", "Cookie: "+cookieName+"="+r.ui.session)
	defer func() { _ = stale.Body.Close() }()
	require.Equal(t, "patch", nextEvent(t, bufio.NewReader(stale.Body)).name, "an old page gets what it misses")
	for _, of := range []string{"https://evil.example/", "%2F%2Fevil.example%2F", "%3A"} {
		res, _ := r.do(t, http.MethodGet, "/events?of="+url.QueryEscape(of), "")
		require.NotEqual(t, http.StatusInternalServerError, res.StatusCode)
	}
}

func TestFiveThousandConversations(t *testing.T) {
	t.Parallel()
	f := newFake()
	var all []records.Record
	for i := range 5000 {
		r := ended(fmt.Sprintf("main/p/cv_%05d", i), fmt.Sprintf("Persona %d with a name of usual length", i))
		r.Started = began.Add(time.Duration(i) * time.Second)
		all = append(all, r)
	}
	f.put(all...)
	s := newServer(Config{Source: f, Actor: &fakeActor{}})
	start := time.Now()
	const renderings = 20
	size := 0
	for range renderings {
		v, err := s.site.view(t.Context(), "/", url.Values{"sort": {"tokens"}})
		require.NoError(t, err)
		body, err := v.render()
		require.NoError(t, err)
		size = len(body)
	}
	took := time.Since(start) / renderings
	t.Logf("5,000 conversations: %v and %d bytes a page", took, size)
	require.Less(t, size, 150<<10)
	require.Less(t, took, 2*time.Second, "it is some milliseconds on an idle machine")
	page := func(n int) string {
		v, err := s.site.view(t.Context(), "/", url.Values{"page": {fmt.Sprint(n)}})
		require.NoError(t, err)
		return string(v.Region("rows")) + string(v.Region("pager"))
	}
	require.Contains(t, page(1), "cv_04999")
	require.Contains(t, page(1), "of 5000")
	require.Contains(t, page(50), "cv_00000")
}
