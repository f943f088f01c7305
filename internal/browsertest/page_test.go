package browsertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/browsertest"
	"github.com/parley-run/parley/internal/localstack"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/internal/ui"
	"github.com/parley-run/parley/workflows"
)

// A parleyPage is the page over a real server, with one conversation that waits for an
// approval, one that is parked and one that has ended.
type parleyPage struct {
	*browsertest.Browser
	rig                       *rig.Rig
	gate                      *rig.Gate
	operator                  *operate.Operator
	url, root                 string
	approving, parked, closed string // workflow ids
}

func startPage(t *testing.T) parleyPage {
	t.Helper()
	stack, err := localstack.Start(t.Context(), localstack.Options{
		Port: localstack.AnyPort, NoTemporalCLI: true, SearchAttributes: workflows.SearchAttributes(),
	})
	require.NoError(t, err)
	t.Cleanup(stack.Close)
	c := localstacktest.Dial(t, stack)
	gate := rig.NewGate()
	r := rig.New(t, c, rig.Options{
		Setup: sim.Setup{Conversations: 3, MaxTurns: 20}, Sim: sim.Config{Player: rig.Endless{}}, Executor: gate, MaxOpen: 10,
		Policy: conversation.Policy{Tools: []string{rig.ToolSet}}, Tools: rig.NewToolbox([]string{"pay"}, "pay"),
	})
	r.StartWorker(t)
	r.StartInbox(t, r.InboxInput())
	p := parleyPage{rig: r, gate: gate}
	asks := []rig.Ask{gate.Asked(t), gate.Asked(t), gate.Asked(t)}
	p.approving, p.parked, p.closed = workflows.ConversationID(asks[0].Conversation), workflows.ConversationID(asks[1].Conversation), workflows.ConversationID(asks[2].Conversation)

	call := rig.CallsTools("pay")
	call.Message.Parts[0].ToolCall.Arguments = json.RawMessage(`{"amount": 12.50, "to": "<b>ada</b>"}`)
	asks[0].Answer(t, call)
	rig.Eventually(t, func() bool { return r.Status(t, p.approving).State == workflows.StateNeedsApproval })
	asks[1].Fail(t, &conversation.Error{Kind: conversation.Unauthorized, Op: "agent", Err: errors.New("the key was refused"), Remedy: "give another key"})
	rig.Eventually(t, func() bool { return r.Status(t, p.parked).State == workflows.StateNeedsAttention })
	asks[2].Answer(t, goodbye("All is well."))
	_, err = r.Outcome(t, p.closed)
	require.NoError(t, err)

	p.operator = &operate.Operator{Reader: &records.Reader{Client: c, Address: stack.Address, Namespace: stack.Namespace, TaskQueue: r.TaskQueue}}
	live := &records.Live{Reader: p.operator.Reader, Every: 500 * time.Millisecond}
	server, err := ui.Listen(t.Context(), ui.Config{Source: live, Actor: p.operator, Operator: "ada", Where: "here"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var group errgroup.Group
	group.Go(func() error { live.Run(ctx); return nil })
	group.Go(func() error { return server.Serve(ctx) })
	t.Cleanup(func() {
		cancel()
		require.NoError(t, group.Wait())
	})
	p.url = server.URL()
	p.root, _, _ = strings.Cut(p.url, "?")
	p.Browser = browsertest.Start(t)
	return p
}

// goodbye is a reply that ends the conversation.
func goodbye(text string) executors.Result {
	return executors.Result{Message: conversation.Text(conversation.RoleAssistant, text), Model: "small", End: true}
}

// shoot keeps what the page looks like, in light and dark and on a phone, where nothing may
// be wider than the page.
func shoot(t *testing.T, p *browsertest.Page, name string) {
	t.Helper()
	file := func(variant string) string { return filepath.Join(*screenshots, "page-"+name+"-"+variant+".png") }
	write := func(variant string) {
		if *screenshots != "" {
			require.NoError(t, os.MkdirAll(*screenshots, 0o755))
			p.Screenshot(t, file(variant))
		}
	}
	p.Resize(t, 1280, 860)
	write("light")
	p.Dark(t, true)
	write("dark")
	p.Dark(t, false)
	p.Resize(t, 360, 780)
	p.WaitFor(t, `innerWidth === 360`)
	require.LessOrEqual(t, browsertest.Eval[int](t, p, `document.documentElement.scrollWidth`), 360, "%s on a phone", name)
	write("phone")
	p.Resize(t, 1280, 860)
}

// Everything that a newcomer does on the page, in a browser: reading, waiting ones, pressing
// the buttons, the keys. Nothing is reloaded.
func TestPage(t *testing.T) {
	s := startPage(t)
	p := s.Open(t, s.url)
	p.Wait(t, "#list") // the address leads on, without its token
	p.WaitText(t, "#list", "needs approval")
	p.WaitText(t, "#list", "needs attention")
	p.WaitText(t, "#list", "ended by agent")
	p.WaitText(t, "#pulse", "live")
	require.NotContains(t, browsertest.Eval[string](t, p, `location.href + document.cookie`), "token", "neither in the address nor for scripts")
	shoot(t, p, "list")

	p.Press(t, "j")
	require.True(t, browsertest.Eval[bool](t, p, `document.activeElement.matches("#list tbody tr:first-child a.go")`))
	p.Press(t, "j")
	p.Press(t, "k")
	require.True(t, browsertest.Eval[bool](t, p, `document.activeElement.matches("#list tbody tr:first-child a.go")`))
	p.Press(t, "?")
	p.Wait(t, "dialog[open]")
	p.Press(t, "\x1b")
	p.WaitFor(t, `!document.querySelector("dialog[open]")`)
	p.Press(t, "/")
	require.Equal(t, "search", browsertest.Eval[string](t, p, `document.activeElement.id`))
	browsertest.Eval[bool](t, p, `(document.activeElement.value = "") === ""`) // the driver's key is also typed
	p.Type(t, "#search", "all is WELL\n")
	p.Wait(t, `[data-key="searched"]`)
	p.WaitText(t, "main", "Searched the messages of")
	p.WaitText(t, "#list", "All is well.")
	p.WaitFor(t, `document.querySelectorAll("#list tbody tr").length === 1`)
	p.Press(t, "j")
	p.Press(t, "\r")
	p.Wait(t, ".message")
	p.WaitText(t, ".messages", "All is well.")
	p.WaitText(t, "aside", s.closed)
	p.WaitText(t, ".turns", "turn 1")
	shoot(t, p, "conversation")

	p.Go(t, s.root+"waiting")
	p.WaitText(t, ".cards", "the key was refused")
	p.WaitText(t, ".cards", "give another key")
	p.WaitText(t, ".approval", `"to": "<b>ada</b>"`)
	p.WaitText(t, "#pulse", "live")
	shoot(t, p, "waiting")
	browsertest.Eval[bool](t, p, `window.notReloaded = true`)
	p.Click(t, `button[value="approve"]`)
	p.WaitText(t, "#message", "Approved.")
	again := s.gate.Asked(t)
	require.Equal(t, s.approving, workflows.ConversationID(again.Conversation), "the call was made, and the agent has its result")
	p.WaitFor(t, `!document.querySelector('button[value="approve"]')`)

	p.Click(t, ".card details[id^=end] summary")
	p.Wait(t, `button[value="end"]`) // asked first: it is not pressed
	p.Click(t, `button[value="resume"]`)
	p.WaitText(t, "#message", "Resumed.")
	resumed := s.gate.Asked(t)
	require.Equal(t, s.parked, workflows.ConversationID(resumed.Conversation))
	p.WaitText(t, "main", "Nothing waits for a person")
	require.True(t, browsertest.Eval[bool](t, p, `window.notReloaded`))

	p.Go(t, s.root+"conversation?id="+s.parked)
	p.WaitText(t, "#pulse", "live")
	browsertest.Eval[bool](t, p, `window.notReloaded = true`)
	resumed.Answer(t, goodbye("The key is good again."))
	p.WaitText(t, ".messages", "The key is good again.")
	p.WaitText(t, ".stateline", "ended by agent")
	again.Answer(t, goodbye("Paid."))
	require.True(t, browsertest.Eval[bool](t, p, `window.notReloaded`))

	p.Go(t, s.root+"runs")
	p.Click(t, "a.go")
	p.Wait(t, ".tiles")
	p.WaitText(t, "main", "3 ended by agent")
	p.WaitText(t, "main", "reply of the executor")
	shoot(t, p, "run")
	acts, err := s.operator.Acts(t.Context(), s.approving)
	require.NoError(t, err)
	require.Equal(t, "ada", acts[0].By)
	p.RequireNoFaults(t)

	dir := filepath.Join(t.TempDir(), "pages")
	_, first, err := ui.Bundle{Dir: dir, Read: func(ctx context.Context, use func(records.Record) error) error {
		_, err := s.operator.Records(ctx, records.Filter{}, 0, use)
		return err
	}}.Write(t.Context())
	require.NoError(t, err)
	b := s.Open(t, "file://"+first)
	b.WaitText(t, "#list", "ended by agent")
	b.Type(t, "#search", s.closed)
	b.WaitText(t, "#left", "1 of 3")
	b.WaitFor(t, `[...document.querySelectorAll("#list tbody tr")].filter(r => r.offsetParent).length === 1`)
	b.Press(t, "\x1b")
	b.Press(t, "j")
	b.Press(t, "\r")
	b.Wait(t, ".message")
	b.WaitText(t, ".messages", "All is well.")
	b.RequireNoFaults(t)
}
