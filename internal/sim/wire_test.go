package sim_test

import (
	"maps"

	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/sim"
)

// The fields of all objects on the wire, as the Python SDK and the web app know them.
var fields = map[string][]string{
	"project":    {"created_at", "id", "metadata", "name", "updated_at"},
	"agent":      {"created_at", "description", "id", "metadata", "name", "project_id", "total_simulations", "updated_at"},
	"agent part": {"created_at", "description", "id", "metadata", "name", "project_id", "updated_at"},
	"objective":  {"created_at", "criteria", "id", "name", "project_id", "updated_at", "version"},
	"simulation": {
		"agent", "agent_id", "auto_approve", "created_at", "expires_at", "id", "last_failure_reason", "max_turns", "metadata", "name",
		"objectives", "project_id", "scenario", "status", "target_conversations", "target_personas", "updated_at",
	},
	"persona": {
		"approval_status", "attributes", "created_at", "id", "metadata", "purpose", "seq_id", "simulation_id", "story", "summary", "updated_at",
	},
	"conversation": {
		"created_at", "end_reason", "evaluation_status", "evaluations", "id", "metadata", "persona", "persona_id", "seq_id", "simulation_id",
		"status", "updated_at",
	},
	"evaluation": {"conversation_id", "created_at", "id", "objective", "objective_id", "reason", "score", "updated_at"},
	"item":       {"content", "conversation_id", "created_at", "id", "role", "type", "updated_at"},
	"response":   {"ended", "output"},
	"message":    {"content", "type"},
	"list":       {"data", "has_more"},
}

func requireFields(t *testing.T, kind string, v any) {
	t.Helper()
	require.Equal(t, fields[kind], slices.Sorted(maps.Keys(v.(map[string]any))), kind)
}

func first(a answer) map[string]any { return a.data()[0] }

func TestFields(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 2})
	c := b.conversations(0)[0]
	b.run(c, agents["Helpful"])

	requireFields(t, "project", first(b.get("/v1/projects")))
	requireFields(t, "agent", first(b.get(b.q("/v1/agents"))))
	requireFields(t, "objective", first(b.get(b.q("/v1/objectives"))))
	listed := first(b.get(b.q("/v1/simulations")))
	requireFields(t, "simulation", listed)
	requireFields(t, "agent part", listed["agent"])
	one := b.get(b.sim(0, ""))
	requireFields(t, "simulation", one.body)
	for _, o := range one.body["objectives"].([]any) {
		requireFields(t, "objective", o) // more than OneRun sends, for its SDK
	}
	personas := b.get(b.sim(0, "/personas"))
	requireFields(t, "list", personas.body)
	requireFields(t, "persona", first(personas))
	conversations := b.get(b.sim(0, "/conversations"))
	requireFields(t, "list", conversations.body)
	requireFields(t, "conversation", first(conversations))
	conversation := b.get(b.conv(c, "")).body
	requireFields(t, "conversation", conversation)
	requireFields(t, "persona", conversation["persona"])
	for _, e := range conversation["evaluations"].([]any) {
		requireFields(t, "evaluation", e)
		requireFields(t, "objective", e.(map[string]any)["objective"])
	}
	items := b.post(b.conv(c, "/items"), nil)
	requireFields(t, "list", items.body)
	requireFields(t, "item", first(items))

	other := b.conversations(0)[1]
	started := b.post(b.conv(other, "/start"), nil)
	require.Equal(t, []string{"message"}, slices.Collect(maps.Keys(started.body)))
	reply := b.post(b.conv(other, "/responses"), `{}`)
	requireFields(t, "response", reply.body)
	requireFields(t, "message", reply.body["output"].([]any)[0])
	require.Equal(t, "message", reply.body["output"].([]any)[0].(map[string]any)["type"])
}

func TestValues(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 2})
	c := b.get(b.conv(b.conversations(0)[0], "")).body
	require.Regexp(t, `^[A-Za-z0-9]{12}$`, b.seeded.ProjectID)
	require.Regexp(t, `^[A-Za-z0-9]{12}$`, b.seeded.AgentID)
	require.Regexp(t, `^[A-Za-z0-9]{12}$`, b.seeded.ObjectiveIDs[0])
	for _, id := range []any{b.seeded.SimulationIDs[0], c["id"], c["persona_id"]} {
		require.Regexp(t, `^[A-Za-z0-9]{21}$`, id)
	}
	require.Equal(t, map[string]any{}, c["metadata"])
	require.Equal(t, []any{}, c["evaluations"])
	require.Nil(t, c["end_reason"])
	require.Equal(t, "queued", c["status"])
	require.Equal(t, "pending", c["evaluation_status"])
	require.EqualValues(t, 1, c["seq_id"])
	s := b.get(b.sim(0, "")).body
	require.Nil(t, s["last_failure_reason"])
	attributes := c["persona"].(map[string]any)["attributes"].(map[string]any)
	require.Equal(t, "1", attributes["version"])
	require.Contains(t, attributes, "age_group")
	require.Contains(t, attributes, "speech_style")
	require.Equal(t, "2025-09-20T09:00:00.500000", s["created_at"])
	require.Equal(t, "2025-09-21T09:00:00.500000", s["expires_at"])
}

func TestTimesHaveNoZoneAndSixDigitsOrNone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		at   time.Time
		want string
	}{
		"Micro":     {time.Date(2025, 9, 15, 12, 16, 35, 123_456_789, time.UTC), "2025-09-15T12:16:35.123456"},
		"Whole":     {time.Date(2025, 9, 15, 12, 16, 35, 0, time.UTC), "2025-09-15T12:16:35"},
		"Nano":      {time.Date(2025, 9, 15, 12, 16, 35, 999, time.UTC), "2025-09-15T12:16:35"},
		"Elsewhere": {time.Date(2025, 9, 15, 14, 16, 35, 0, time.FixedZone("", 7200)), "2025-09-15T12:16:35"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, sim.Config{Clock: func() time.Time { return test.at }})
			require.Equal(t, test.want, b.post("/v1/projects", `{"name":"p"}`).body["created_at"])
		})
	}
}

func TestItemsAreInOrderByTimeToo(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{Player: chatty, Lenient: sim.Lenient{Items: true}}, sim.Setup{Conversations: 1, MaxTurns: 9})
	c := b.conversations(0)[0]
	b.post(b.conv(c, "/responses"), says("one", "two"))
	b.post(b.conv(c, "/responses"), says("three"))
	require.Equal(t, []string{"assistant: one", "assistant: two", "user: persona 2", "assistant: three", "user: persona 4"}, b.transcript(c))
	posted := b.post(b.conv(c, "/items"), nil)
	require.Equal(t, b.get(b.conv(c, "/items")).text, posted.text, "POST and GET are the same")
	require.Equal(t, false, posted.body["has_more"])
	var times []string
	for _, item := range posted.data()[:3] {
		times = append(times, item["created_at"].(string))
	}
	require.True(t, slices.IsSorted(times))
	require.Len(t, slices.Compact(times), 3)
}

func TestCreateAnswers(t *testing.T) {
	t.Parallel()
	b := newBench(t, sim.Config{})
	b.seeded.ProjectID = b.post("/v1/projects", `{"name":"shop"}`).body["id"].(string)
	agent := b.post(b.q("/v1/agents"), `{"name":"desk","metadata":{"team":"blue"},"unknown":1}`)
	require.Nil(t, agent.body["description"])
	require.Equal(t, map[string]any{"team": "blue"}, agent.body["metadata"])
	require.EqualValues(t, 0, agent.body["total_simulations"])
	objective := b.post(b.q("/v1/objectives"), `{"name":"polite","criteria":"is polite"}`)
	require.EqualValues(t, 1, objective.body["version"])

	created := b.post(b.q("/v1/simulations"), map[string]any{
		"agent_id": agent.body["id"], "name": "s", "scenario": "late parcels", "target_conversations": 3, "target_personas": 2,
		"objective_ids": []any{objective.body["id"]}, "auto_approve": true,
	})
	requireFields(t, "simulation", created.body)
	require.Equal(t, []any{}, created.body["objectives"], "empty even with ids given")
	require.Equal(t, "queued", created.body["status"])
	require.EqualValues(t, 5, created.body["max_turns"])
	b.seeded.SimulationIDs = []string{created.body["id"].(string)}
	require.Equal(t, "in_progress", b.get(b.sim(0, "")).body["status"])
	require.Empty(t, first(b.get(b.q("/v1/simulations")))["objectives"])
	require.Len(t, b.conversations(0), 3)

	// A new version of an objective does not reach simulations that exist.
	path := b.q("/v1/objectives/" + objective.body["id"].(string))
	changed := b.call("PATCH", path, `{"criteria":"is very polite"}`)
	require.EqualValues(t, 2, changed.body["version"])
	require.Equal(t, changed.text, b.call("PATCH", path, `{}`).text, "nothing given, nothing changed")
	pinned := b.get(b.sim(0, "")).body["objectives"].([]any)[0].(map[string]any)
	require.EqualValues(t, 1, pinned["version"])
	require.Equal(t, "is polite", pinned["criteria"])
	require.Equal(t, changed.text, b.get("/v1/objectives/"+objective.body["id"].(string)).text)
	c := b.conversations(0)[0]
	b.post(b.conv(c, "/start"), nil)
	b.post(b.conv(c, "/end"), nil)
	judged := b.get(b.conv(c, "")).body["evaluations"].([]any)[0].(map[string]any)
	require.EqualValues(t, 2, judged["objective"].(map[string]any)["version"], "the current version, not the judged one")

	agentPath := b.q("/v1/agents/" + agent.body["id"].(string))
	b.clock.advance(time.Minute)
	renamed := b.call("PATCH", agentPath, `{"name":null,"description":"d","metadata":{"x":1}}`)
	require.Equal(t, "desk", renamed.body["name"])
	require.Equal(t, "d", renamed.body["description"])
	require.Equal(t, map[string]any{"team": "blue"}, renamed.body["metadata"])
	require.NotEqual(t, renamed.body["created_at"], renamed.body["updated_at"])
	require.EqualValues(t, 1, b.get(agentPath).body["total_simulations"])
	project := b.call("PATCH", "/v1/projects/"+b.seeded.ProjectID, `{"name":"store"}`)
	require.Equal(t, "store", project.body["name"])
	require.Equal(t, project.text, b.get("/v1/projects/"+b.seeded.ProjectID).text)
}

func TestEvaluationIDsAreUnique(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 6})
	seen := map[any]bool{}
	for _, c := range b.conversations(0) {
		b.run(c, agents["Polite"])
		body := b.get(b.conv(c, "")).body
		require.Equal(t, "completed", body["evaluation_status"])
		require.Len(t, body["evaluations"], len(sim.Builtin().Objectives))
		for _, e := range body["evaluations"].([]any) {
			e := e.(map[string]any)
			require.False(t, seen[e["id"]])
			seen[e["id"]] = true
			require.GreaterOrEqual(t, e["score"], 0.0)
			require.LessOrEqual(t, e["score"], 1.0)
			require.Contains(t, e["reason"], "rule of the simulator")
			require.Equal(t, c, e["conversation_id"])
		}
	}
}

func TestHealthNeedsNoKey(t *testing.T) {
	t.Parallel()
	b := newBench(t, sim.Config{})
	b.key = ""
	a := b.get("/health")
	require.Equal(t, "ok", a.body["status"])
	require.IsType(t, "", a.body["message"])
}

func TestNoPageOfAnotherOriginMayCall(t *testing.T) {
	t.Parallel()
	const page = "http://localhost:3000"
	ask := func(b *bench, method, origin string) answer {
		return b.call(method, "/v1/projects", nil, header{
			"Origin": origin, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "x-api-key",
		})
	}
	closed := newBench(t, sim.Config{})
	for _, method := range []string{"OPTIONS", "GET"} {
		for name := range ask(closed, method, page).header {
			require.NotContains(t, name, "Access-Control-")
		}
	}

	open := newBench(t, sim.Config{Origins: []string{page}})
	a := ask(open, "OPTIONS", page)
	require.Equal(t, 200, a.status)
	require.Equal(t, page, a.header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, a.header.Get("Access-Control-Allow-Methods"), "PATCH")
	require.Equal(t, "x-api-key", a.header.Get("Access-Control-Allow-Headers"))
	require.Empty(t, a.header.Get("Access-Control-Allow-Credentials"))
	require.Equal(t, page, ask(open, "GET", page).header.Get("Access-Control-Allow-Origin"))
	for _, other := range []string{"http://localhost:3001", "https://localhost:3000", "null", "http://localhost:3000.evil.example"} {
		require.Empty(t, ask(open, "GET", other).header.Get("Access-Control-Allow-Origin"), other)
	}

	for _, bad := range []string{"*", "localhost:3000", "http://localhost:3000/", "null", ""} {
		_, err := sim.New(sim.Config{Origins: []string{bad}})
		require.ErrorContains(t, err, "origin", bad)
	}
}
