package sim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/sim"
)

func TestNotFound(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{Lenient: sim.LenientInAll()}, sim.Setup{Conversations: 1, Simulations: 2})
	c := b.conversations(0)[0]
	elsewhere := b.post("/v1/projects", `{"name":"elsewhere"}`).body["id"].(string)
	s, other := b.seeded.SimulationIDs[0], b.seeded.SimulationIDs[1]
	persona := first(b.get(b.sim(0, "/personas")))["id"].(string)

	const nobody = "NoSuchThing0000000000"
	paths := []string{"GET ", "POST /run", "POST /cancel", "GET /personas", "GET /conversations"}
	below := []string{"GET ", "POST /start", "POST /responses", "POST /end", "POST /items", "GET /items"}
	type test struct{ method, path, want string }
	var tests []test
	for _, p := range paths {
		method, path, _ := strings.Cut(p, " ")
		tests = append(tests,
			test{method, "/v1/simulations/" + s + path + "?project_id=" + nobody, "Project not found"},
			test{method, "/v1/simulations/" + s + path + "?project_id=" + elsewhere, "Simulation not found"},
			test{method, b.q("/v1/simulations/" + nobody + path), "Simulation not found"})
	}
	for _, p := range below {
		method, path, _ := strings.Cut(p, " ")
		tests = append(tests,
			test{method, "/v1/simulations/" + s + "/conversations/" + c + path + "?project_id=" + nobody, "Project not found"},
			test{method, b.q("/v1/simulations/" + nobody + "/conversations/" + c + path), "Simulation not found"},
			test{method, b.q("/v1/simulations/" + s + "/conversations/" + nobody + path), "Conversation not found"},
			test{method, b.q("/v1/simulations/" + other + "/conversations/" + c + path), "Conversation not found"})
	}
	for _, verb := range []string{"approve", "reject"} {
		tests = append(tests,
			test{"POST", b.q("/v1/simulations/" + s + "/personas/" + nobody + "/" + verb), "Persona not found"},
			test{"POST", b.q("/v1/simulations/" + other + "/personas/" + persona + "/" + verb), "Persona not found"})
	}
	tests = append(tests,
		test{"GET", "/v1/simulations?project_id=" + nobody, "Project not found"},
		test{"GET", "/v1/projects/" + nobody, "Project not found"},
		test{"GET", "/v1/agents/" + b.seeded.AgentID + "?project_id=" + elsewhere, "Agent not found"},
		test{"GET", "/v1/objectives/" + b.seeded.ObjectiveIDs[0] + "?project_id=" + elsewhere, "Objective not found"},
		test{"GET", "/v1/objectives/" + nobody, "Objective not found"},
		test{"GET", "/simulator/conversations/" + nobody + "/events", "Conversation not found"},
		test{"GET", "/v1/nothing", "Not Found"},
	)
	for _, test := range tests {
		var body any
		if strings.Contains(test.path, "/responses") {
			body = says("hello")
		}
		a := b.call(test.method, test.path, body)
		require.Equal(t, 404, a.status, "%s %s: %s", test.method, test.path, a.text)
		require.Equal(t, test.want, a.detail(), "%s %s", test.method, test.path)
	}
}

func TestCreateSimulationNotFound(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 1})
	elsewhere := b.post("/v1/projects", `{"name":"elsewhere"}`).body["id"].(string)
	body := func(agent string, objectives ...string) map[string]any {
		return map[string]any{
			"agent_id": agent, "name": "s", "scenario": "x", "target_conversations": 1, "target_personas": 1, "objective_ids": append([]string{}, objectives...),
		}
	}
	for name, test := range map[string]struct {
		project string
		body    any
		want    string
	}{
		"Project":   {"nobody", body(b.seeded.AgentID), "Project not found"},
		"Agent":     {b.seeded.ProjectID, body("nobody"), "Agent not found"},
		"Foreign":   {elsewhere, body(b.seeded.AgentID), "Agent not found"},
		"Objective": {b.seeded.ProjectID, body(b.seeded.AgentID, b.seeded.ObjectiveIDs[0], "nobody"), "Objective not found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := b.call("POST", "/v1/simulations?project_id="+test.project, test.body)
			require.Equal(t, 404, a.status)
			require.Equal(t, test.want, a.detail())
		})
	}
}

func TestUnprocessable(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 1})
	responses := b.conv(b.conversations(0)[0], "/responses")
	for name, test := range map[string]struct {
		method, path string
		body         any
		want         []string // "type loc"
	}{
		"NoProject":       {"GET", "/v1/simulations", nil, []string{"missing [query project_id]"}},
		"LimitTooSmall":   {"GET", b.q("/v1/simulations?limit=0"), nil, []string{"greater_than_equal [query limit]"}},
		"LimitTooLarge":   {"GET", b.sim(0, "/conversations?limit=101"), nil, []string{"less_than_equal [query limit]"}},
		"LimitNoNumber":   {"GET", b.sim(0, "/conversations?limit=ten"), nil, []string{"int_parsing [query limit]"}},
		"OffsetNegative":  {"GET", b.sim(0, "/conversations?offset=-1"), nil, []string{"greater_than_equal [query offset]"}},
		"AllAtOnce":       {"GET", "/v1/agents?limit=0&offset=-1", nil, []string{"missing [query project_id]", "greater_than_equal [query limit]", "greater_than_equal [query offset]"}},
		"NoBody":          {"POST", responses, nil, []string{"missing [body]"}},
		"NullBody":        {"POST", responses, `null`, []string{"missing [body]"}},
		"NoJSON":          {"POST", responses, `{"input":`, []string{"json_invalid [body 0]"}},
		"TwoDocuments":    {"POST", responses, `{} {}`, []string{"json_invalid [body 4]"}},
		"ListBody":        {"POST", responses, `[]`, []string{"model_attributes_type [body]"}},
		"InputNoList":     {"POST", responses, `{"input":"hi"}`, []string{"list_type [body input]"}},
		"MessageNoObject": {"POST", responses, `{"input":["hi"]}`, []string{"model_attributes_type [body input 0]"}},
		"MessageEmpty":    {"POST", responses, `{"input":[{}]}`, []string{"missing [body input 0 type]", "missing [body input 0 content]"}},
		"MessageType":     {"POST", responses, `{"input":[{"type":"msg","content":[]}]}`, []string{"literal_error [body input 0 type]"}},
		"ContentText":     {"POST", responses, `{"input":[{"type":"message","content":"hi"}]}`, []string{"list_type [body input 0 content]"}},
		"BlockNoObject":   {"POST", responses, `{"input":[{"type":"message","content":["hi"]}]}`, []string{"model_attributes_type [body input 0 content 0]"}},
		"BlockEmpty":      {"POST", responses, `{"input":[{"type":"message","content":[{}]}]}`, []string{"missing [body input 0 content 0 type]", "missing [body input 0 content 0 text]"}},
		"BlockType":       {"POST", responses, `{"input":[{"type":"message","content":[{"type":"image","text":1}]}]}`, []string{"literal_error [body input 0 content 0 type]", "string_type [body input 0 content 0 text]"}},
		"ProjectName":     {"POST", "/v1/projects", `{}`, []string{"missing [body name]"}},
		"ProjectNameNull": {"POST", "/v1/projects", `{"name":null}`, []string{"string_type [body name]"}},
		"AgentMetadata":   {"POST", b.q("/v1/agents"), `{"name":"a","metadata":[]}`, []string{"dict_type [body metadata]"}},
		"SimulationFields": {"POST", b.q("/v1/simulations"), `{}`, []string{
			"missing [body agent_id]", "missing [body name]", "missing [body scenario]", "missing [body target_conversations]", "missing [body target_personas]",
		}},
		"SimulationTypes": {"POST", b.q("/v1/simulations"), `{"agent_id":"a","name":"n","scenario":"s","target_conversations":"many","target_personas":1.5,"max_turns":1000000,"auto_approve":"yes","objective_ids":{}}`, []string{
			"int_type [body target_conversations]", "int_from_float [body target_personas]", "less_than_equal [body max_turns]", "bool_type [body auto_approve]", "list_type [body objective_ids]",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := b.call(test.method, test.path, test.body)
			require.Equal(t, 422, a.status, a.text)
			var got []string
			for _, e := range a.detail().([]any) {
				e := e.(map[string]any)
				require.IsType(t, "", e["msg"])
				require.Contains(t, e, "input")
				got = append(got, fmt.Sprintf("%s %v", e["type"], e["loc"]))
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestLenientNumbers(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 1})
	a := b.post(b.q("/v1/simulations"), map[string]any{
		"agent_id": b.seeded.AgentID, "name": "n", "scenario": "s", "target_conversations": "2", "target_personas": 3.0, "objective_ids": []any{},
	})
	require.EqualValues(t, 2, a.body["target_conversations"])
	require.EqualValues(t, 3, a.body["target_personas"])
}

func TestMethodsAndSlashes(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 1})
	a := b.call("DELETE", b.sim(0, ""), nil)
	require.Equal(t, 405, a.status)
	require.Equal(t, "Method Not Allowed", a.detail())
	require.Equal(t, 405, b.call("GET", b.conv(b.conversations(0)[0], "/start"), nil).status)
	a = b.call("GET", "/v1/projects/?limit=3", nil)
	require.Equal(t, 307, a.status)
	require.Equal(t, "/v1/projects?limit=3", a.header.Get("Location"))
}

func TestKey(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 1})
	c := b.conversations(0)[0]
	guarded := []string{"/v1/projects", b.q("/v1/simulations"), b.conv(c, ""), "/simulator/report", "/simulator/conversations/" + c + "/events", "/simulator/faults"}
	for name, test := range map[string]struct {
		headers header
		status  int
		detail  any
	}{
		"None":          {header{}, 401, "Not authenticated"},
		"Wrong":         {header{"X-Api-Key": "wrong"}, 401, "Invalid API key"},
		"Right":         {header{"X-Api-Key": testKey}, 200, nil},
		"BadTokenWins":  {header{"X-Api-Key": testKey, "Authorization": "Bearer no"}, 401, "Invalid token"},
		"Token":         {header{"Authorization": "Bearer " + testKey}, 200, nil},
		"TokenNoScheme": {header{"Authorization": testKey}, 200, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			anonymous := *b
			anonymous.key = ""
			for _, path := range guarded {
				a := anonymous.call("GET", path, nil, test.headers)
				require.Equal(t, test.status, a.status, path)
				require.Equal(t, test.detail, a.detail(), path)
			}
		})
	}
}

// The key is checked before the request, and the request before the ids in it.
func TestOrderOfRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 1})
	require.Equal(t, 422, b.call("POST", "/v1/simulations/x/conversations/y/responses?project_id=z", nil).status)
	b.key = ""
	require.Equal(t, 401, b.call("POST", "/v1/simulations/x/conversations/y/responses", nil).status)
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 1})
	b.SetAPIKey("second")
	require.Equal(t, 401, b.call("GET", "/v1/projects", nil).status)
	b.key = "second"
	b.get("/v1/projects")
	b.SetAPIKey("")
	b.key = ""
	b.get("/v1/projects")
}

func TestHugeBody(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 1})
	a := b.call("POST", "/v1/projects", `{"name":"`+strings.Repeat("x", 9<<20)+`"}`)
	require.Equal(t, 413, a.status)
}
