package browsertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/browsertest"
	"github.com/parley-run/parley/internal/localstack"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/internal/uilink"
	"github.com/parley-run/parley/workflows"
)

var screenshots = flag.String("screenshots", "", "write screenshots into this `folder`")

// tricks are what renderers of Markdown and HTML give a meaning. Each is shown as it is.
var tricks = []string{
	"<details><summary>fold</summary>x</details>", "<!-- hidden -->", "<img src=x onerror=alert(1)>", "<script>alert(1)</script>",
	"[link](http://evil.example/)", "![image](http://evil.example/i.png)", "<http://evil.example/>", "[ref]: http://evil.example", "[^1]",
	"http://evil.example/a?b=c", "www.evil.example", "me@evil.example", "mailto:me@evil.example", "javascript:alert(1)",
	"`code`", "```fence", "**bold** __bold__", "*it* _it_", "~~gone~~", "$x^2$ \\(y\\)", "a^b^c H~2~O", "==mark==",
	"# heading", "- item", "+ item", "* item", "1. item", "2) item", "> quote", "| a | b |", "---", "===", ": definition", "- [ ] task", "    indented",
	"&lt;b&gt; &#60;b&#62; &amp;", "\\* \\<", ":smile:", "{workflowId} {namespace} {runId}", "a -- b --- c ... (c) (tm) 1/2 3/4", "שלום (abc)",
}

// hostile is text that says all of it, in parts that a message shows whole.
func hostile(part int) string {
	const parts = 3
	from, to := part%parts*len(tricks)/parts, (part%parts+1)*len(tricks)/parts
	return fmt.Sprintf("part%d: ", part) + strings.Join(tricks[from:to], " ; ")
}

// speaker is a persona that says them.
type speaker struct{}

func (speaker) Reply(_ context.Context, turn sim.PersonaTurn) (string, bool, error) {
	return hostile(len(turn.Messages) / 2), false, nil
}

// parkedQuery finds what needs attention.
const parkedQuery = "WorkflowType = 'Conversation' AND ParleyStatus = 'needs_attention'"

// A temporalUI is a server with its web interface, and three conversations.
type temporalUI struct {
	*browsertest.Browser
	url                       string
	running, parked, finished string // addresses
}

func startTemporalUI(t *testing.T) temporalUI {
	t.Helper()
	stack, err := localstack.Start(t.Context(), localstack.Options{
		Port: localstack.AnyPort, UIPort: localstack.AnyPort, UI: true, NoTemporalCLI: true, SearchAttributes: workflows.SearchAttributes(),
	})
	require.NoError(t, err)
	t.Cleanup(stack.Close)
	c := localstacktest.Dial(t, stack)
	scenario := sim.Scenario{
		Name: "hostile", Description: "d", Agent: sim.AgentProfile{Name: "agent", Description: "helps"},
		Personas: []sim.Persona{{Key: "p1", Summary: "Ann <b>bold</b> [x](http://evil.example/)", Story: "s", Purpose: hostile(0), Openings: []string{hostile(0)}, Fallback: sim.Reaction{Say: []string{"x"}}}},
	}
	gate := rig.NewGate()
	r := rig.New(t, c, rig.Options{
		Sim: sim.Config{Player: speaker{}, Scenario: &scenario}, Setup: sim.Setup{Conversations: 3, MaxTurns: 20}, Executor: gate, MaxOpen: 10,
		Policy: conversation.Policy{Tools: []string{rig.ToolSet}}, Tools: rig.NewToolbox([]string{"pay"}, "pay"),
	})
	r.StartWorker(t)
	r.StartInbox(t, r.InboxInput())
	asks := []rig.Ask{gate.Asked(t), gate.Asked(t), gate.Asked(t)}
	link := func(ask rig.Ask) (id, url string) {
		id = workflows.ConversationID(ask.Conversation)
		d, err := c.DescribeWorkflowExecution(t.Context(), id, "")
		require.NoError(t, err)
		return id, uilink.Conversation(stack.UIURL, stack.Namespace, id, d.GetWorkflowExecutionInfo().GetExecution().GetRunId())
	}
	ui := temporalUI{Browser: browsertest.Start(t), url: stack.UIURL}
	var id string

	id, ui.running = link(asks[0])
	call := rig.CallsTools("pay")
	call.Message.Parts[0].ToolCall.Arguments, err = json.Marshal(map[string]string{"text": hostile(1)})
	require.NoError(t, err)
	asks[0].Answer(t, call)
	rig.Eventually(t, func() bool { return r.Status(t, id).State == workflows.StateNeedsApproval })

	id, ui.parked = link(asks[1])
	// One that does not heal while the others succeed.
	asks[1].Fail(t, &conversation.Error{Kind: conversation.Invalid, Op: "agent", Err: errors.New(hostile(2)), Remedy: hostile(1)})
	rig.Eventually(t, func() bool { return r.Status(t, id).State == workflows.StateNeedsAttention })

	rig.Eventually(t, func() bool { // the list shows it once it is visible, and does not reload by itself
		list, err := c.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Query: parkedQuery})
		return err == nil && list.GetCount() == 1
	})

	id, ui.finished = link(asks[2])
	for turn := range 3 {
		asks[2].Answer(t, executors.Result{Message: conversation.Text(conversation.RoleAssistant, hostile(turn)), Model: "m<b>[x](y)", End: turn == 2})
		if turn < 2 {
			asks[2] = gate.Asked(t)
		}
	}
	_, err = r.Outcome(t, id)
	require.NoError(t, err)
	return ui
}

// uiFaults are the UI's own: it cannot colour payloads, and measures frames that are gone.
var uiFaults = []string{"CodeMirror plugin crashed", "reading 'scrollHeight'"}

// tab is the address of another tab of a conversation's page.
func tab(address, name string) string { return strings.TrimSuffix(address, "history") + name }

// rendered is what the frames of the page that have Markdown show, and what it made of it.
const rendered = `[...document.querySelectorAll("iframe")].map(f => f.contentDocument).filter(d => d?.body)`

// metadata opens the page that shows what Parley says of a conversation, and returns its
// text. Nothing in it may be a link, an image, folded, or formatted, but what Parley formats.
func (ui temporalUI) metadata(t *testing.T, address string, shows ...string) string {
	t.Helper()
	p := ui.Open(t, tab(address, "user-metadata"))
	for _, text := range shows {
		wanted, err := json.Marshal(text)
		require.NoError(t, err)
		p.WaitFor(t, rendered+`.some(d => d.body.innerText.includes(`+string(wanted)+`))`)
	}
	if *screenshots != "" {
		p.Screenshot(t, filepath.Join(*screenshots, strings.ReplaceAll(t.Name(), "/", "-")+".png"))
	}
	made := browsertest.Eval[[]string](t, p, `[...new Set(`+rendered+`.flatMap(d => [...d.querySelectorAll("main *")].map(e => e.tagName)))].sort()`)
	require.Subset(t, []string{"BLOCKQUOTE", "CODE", "LI", "P", "STRONG", "UL"}, made, "elements that no text of others may make")
	text := browsertest.Eval[string](t, p, rendered+`.map(d => d.body.innerText).join("\n")`)
	p.RequireNoFaults(t, uiFaults...)
	return typewriter.Replace(text)
}

// typewriter undoes the typographic quotes that the UI sets.
var typewriter = strings.NewReplacer("“", `"`, "”", `"`, "‘", "'", "’", "'", "\u2068", "", "\u2069", "")

func requireTricks(t *testing.T, text string, part int) {
	t.Helper()
	require.Contains(t, strings.Join(strings.Fields(text), " "), strings.Join(strings.Fields(hostile(part)), " "))
}

// What personas, models and tools say is shown in the Temporal UI as it is.
func TestTemporalUI(t *testing.T) {
	ui := startTemporalUI(t)
	t.Run("Running", func(t *testing.T) {
		text := ui.metadata(t, ui.running, "needs approval", "Ann <b>bold</b> [x](http://evil.example/)")
		requireTricks(t, text, 0) // the persona's message
		require.Contains(t, text, `needs approval until `)
		encoded, err := json.Marshal(hostile(1))
		require.NoError(t, err)
		require.Contains(t, strings.Join(strings.Fields(text), " "), strings.Join(strings.Fields(string(encoded)), " "), "the arguments")
	})
	t.Run("Parked", func(t *testing.T) {
		text := ui.metadata(t, ui.parked, "needs attention")
		for part := range 3 {
			requireTricks(t, text, part)
		}
	})
	t.Run("Finished", func(t *testing.T) {
		text := ui.metadata(t, ui.finished, "ended by agent")
		for part := range 3 {
			requireTricks(t, text, part)
		}
		require.Contains(t, text, "m<b>[x](y)")
	})
	t.Run("History", func(t *testing.T) {
		p := ui.Open(t, ui.finished)
		p.WaitText(t, "body", "turn 2 · reply")
		require.Zero(t, browsertest.Eval[int](t, p, `document.querySelectorAll("a[href*='evil.example'], img[src*='evil.example']").length`))
		p.RequireNoFaults(t, uiFaults...)
	})
	t.Run("Newest run", func(t *testing.T) {
		p := ui.Open(t, strings.TrimSuffix(ui.finished, ui.finished[strings.LastIndex(strings.TrimSuffix(ui.finished, "/history"), "/"):]))
		p.WaitText(t, "body", "Event History")
		p.RequireNoFaults(t, uiFaults...)
	})
	t.Run("List", func(t *testing.T) {
		p := ui.Open(t, uilink.List(ui.url, "default", parkedQuery))
		p.WaitText(t, "table", "Conversation")
		require.Equal(t, 1, browsertest.Eval[int](t, p, `[...document.querySelectorAll("tbody tr")].filter(r => r.innerText.includes("Conversation")).length`))
		p.RequireNoFaults(t, uiFaults...)
	})
}
