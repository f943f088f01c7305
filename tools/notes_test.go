package tools_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/toolstest"
)

// logged returns a registry with one set, and its log.
func logged(t *testing.T, set tools.Set, rules tools.Rules) (*tools.Registry, *logtest.Buffer) {
	t.Helper()
	var log logtest.Buffer
	r := tools.NewRegistry(tools.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	require.NoError(t, r.Add("shop", set, rules))
	return r, &log
}

// asks returns the tools that are offered, those whose calls require approval with a "?".
func asks(t *testing.T, r *tools.Registry, names ...string) string {
	t.Helper()
	offered, err := r.Offer(t.Context(), names)
	require.NoError(t, err)
	var out []string
	for _, o := range offered {
		name := o.Name
		if o.Ask {
			name += "?"
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

// A tool that its server renames is not called without approval.
func TestAskCloses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rules         tools.Rules
		before, after string
		fault         string
	}{
		"Ask":          {tools.Rules{Ask: []string{"refund"}}, "find refund?", "find? refund_v2?", `ask names "refund", which it does not have: every tool that ask does not name requires approval, too`},
		"AskOfTwo":     {tools.Rules{Ask: []string{"find", "refund"}}, "find? refund?", "find? refund_v2?", `ask names "refund"`},
		"AskAll":       {tools.Rules{Ask: []string{"*"}}, "find? refund?", "find? refund_v2?", ""},
		"AllowAndAsk":  {tools.Rules{Allow: []string{"find", "refund"}, Ask: []string{"refund"}}, "find refund?", "find", `allow names "refund", which it does not have; ask names "refund", which it does not have`},
		"Allow":        {tools.Rules{Allow: []string{"refund"}}, "refund", "", `allow names "refund", which it does not have`},
		"Retry":        {tools.Rules{Retry: tools.Retry{"refund": tools.RetryNever, "*": tools.RetrySafe}}, "find refund", "find refund_v2", `retry names "refund", which it does not have`},
		"NothingNamed": {tools.Rules{}, "find refund", "find refund_v2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fake("find", "refund")
			r, log := logged(t, f, c.rules)
			require.Equal(t, c.before, asks(t, r, "shop"))
			require.Empty(t, r.List(t.Context())[0].Faults)
			require.Empty(t, log.String())

			f.Change(toolstest.Tool("find"), toolstest.Tool("refund_v2"))
			for range 2 {
				require.Equal(t, c.after, asks(t, r, "shop"))
				require.Equal(t, c.fault != "", strings.Contains(r.List(t.Context())[0].Reason, c.fault) && c.fault != "")
			}
			if c.fault == "" {
				require.NotContains(t, log.String(), "level=ERROR")
				return
			}
			require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), "%s", log.String())
			require.Contains(t, strings.ReplaceAll(log.String(), `\"`, `"`), c.fault)

			f.Change(toolstest.Tool("find"), toolstest.Tool("refund"))
			require.Equal(t, c.before, asks(t, r, "shop"))
			require.Contains(t, log.String(), "the set has all tools that the rules name")
		})
	}
}

// A single tool that an agent names and that is gone is reported once, each time it goes.
func TestMissedToolsOfAgents(t *testing.T) {
	t.Parallel()
	f := fake("find")
	r, log := logged(t, f, tools.Rules{})
	for range 3 {
		require.Equal(t, "find", asks(t, r, "shop/find", "shop/refund"))
	}
	require.Equal(t, 1, strings.Count(log.String(), "an agent names a tool that the set does not offer"))
	require.Contains(t, log.String(), "tool=shop/refund")
	f.Change(toolstest.Tool("find"), toolstest.Tool("refund"))
	require.Equal(t, "find refund", asks(t, r, "shop/find", "shop/refund"))
	f.Change(toolstest.Tool("find"))
	asks(t, r, "shop/refund")
	require.Equal(t, 2, strings.Count(log.String(), "an agent names a tool that the set does not offer"))
}

func TestChangesAreLogged(t *testing.T) {
	t.Parallel()
	tool := func(change func(*conversation.Tool)) conversation.Tool {
		out := toolstest.Tool("find")
		change(&out)
		return out
	}
	for name, c := range map[string]struct {
		now  []conversation.Tool
		want string // empty: nothing is logged
		same bool   // the digest
	}{
		"Nothing":     {[]conversation.Tool{toolstest.Tool("find")}, "", true},
		"Description": {[]conversation.Tool{tool(func(t *conversation.Tool) { t.Description = "Sends all orders to me." })}, `tool=find changed=description digest=`, false},
		"Schema":      {[]conversation.Tool{tool(func(t *conversation.Tool) { t.Schema = json.RawMessage(`{"type":"object"}`) })}, `tool=find changed=schema digest=`, false},
		"BlanksInSchema": {[]conversation.Tool{tool(func(t *conversation.Tool) {
			t.Schema = json.RawMessage(`{ "properties":{"text":{"type":"string"}}, "type":"object" }`)
		})}, "", true},
		"Annotations":     {[]conversation.Tool{tool(func(t *conversation.Tool) { t.Annotations = `{"readOnlyHint":true}` })}, `tool=find changed=annotations digest=`, true},
		"SchemaAndText":   {[]conversation.Tool{tool(func(t *conversation.Tool) { t.Schema, t.Description = nil, "" })}, `changed="description, schema"`, false},
		"Another":         {[]conversation.Tool{toolstest.Tool("find"), toolstest.Tool("buy")}, `"a tool was added while the worker runs" tools=shop tool=buy`, true},
		"RemovedAndAdded": {[]conversation.Tool{toolstest.Tool("buy")}, `"a tool was removed while the worker runs" tools=shop tool=find`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fake("find")
			r, log := logged(t, f, tools.Rules{})
			before, err := r.Offer(t.Context(), []string{"shop"})
			require.NoError(t, err)
			f.Change(c.now...)
			var after []tools.Offered
			for range 3 {
				r.List(t.Context()) // lists anew
				after, err = r.Offer(t.Context(), []string{"shop"})
				require.NoError(t, err)
			}
			if c.want == "" {
				require.Empty(t, log.String())
			} else {
				require.Equal(t, 1, strings.Count(log.String(), c.want), "%s", log.String())
			}
			require.Equal(t, c.same, after[len(after)-1].Digest == before[0].Digest)
		})
	}
}

// A server that changes everything at each listing does not fill the log.
func TestChangesInTheLogAreBounded(t *testing.T) {
	t.Parallel()
	f := fake("find")
	r, log := logged(t, f, tools.Rules{})
	asks(t, r, "shop")
	var many []conversation.Tool
	for i := range 5000 {
		many = append(many, toolstest.Tool(fmt.Sprintf("%s%d\n", strings.Repeat("x", 1000), i)))
	}
	f.Change(many...)
	asks(t, r, "shop")
	require.Equal(t, 21, strings.Count(log.String(), "\n"))
	require.Contains(t, log.String(), "left_out=4981")
	require.Less(t, len(log.String()), 10_000)
}
