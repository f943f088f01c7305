package command

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/workflows"
)

// An office is an agent for direct conversations, and the command configured for it.
type office struct {
	*house
	state string
}

// newOffice has an agent "support" whose tools are in a box, if there is one.
func newOffice(t *testing.T, speaker executors.Executor, box *rig.Toolbox) *office {
	t.Helper()
	options := rig.Options{Executor: speaker}
	if box != nil {
		options.Tools = box
	}
	r := rig.New(t, localstacktest.Client(t), options)
	path := filepath.Join(t.TempDir(), "parley.yaml")
	tools := ""
	if box != nil {
		tools = ", tools: [" + rig.ToolSet + "]"
	}
	// Agents of one server share their tools' names: the test makes its own.
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `
task_queue: %q
platforms:
  main: {type: onerun, base_url: %q, api_key: "${KEY}"}
executors:
  %s: {type: scripted}
tools:
  %s: {type: mcp}
agents:
  %s: {platform: main, project: pr, agent: ag%s}
`, r.TaskQueue, r.URL, rig.ExecutorName, rig.ToolSet, r.Name, tools), 0o600))
	state := t.TempDir()
	return &office{state: state, house: &house{Rig: r, t: t, environ: []string{
		"KEY=rig-key", "PARLEY_CONFIG=" + path, "TEMPORAL_ADDRESS=" + localstacktest.Address(t), "XDG_STATE_HOME=" + state,
	}}}
}

// A terminal has the command at its other end.
type terminal struct {
	t    *testing.T
	file *os.File
	cmd  *exec.Cmd
	done chan struct{}

	mu  sync.Mutex
	out strings.Builder
	at  int // what is before has been expected
}

// open runs the command on a terminal of its own.
func (o *office) open(args ...string) *terminal { return openTerminal(o.t, o.environ, args...) }

func openTerminal(t *testing.T, environ []string, args ...string) *terminal {
	t.Helper()
	cmd := exec.Command("starter", args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TERM=xterm"}, environ...)
	file, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 30, Cols: 100})
	require.NoError(t, err)
	term := &terminal{t: t, file: file, cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(term.done)
		chunk := make([]byte, 4096)
		for {
			n, err := file.Read(chunk)
			term.mu.Lock()
			term.out.Write(chunk[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = file.Close()
		<-term.done
	})
	return term
}

var (
	control = regexp.MustCompile("\x1b\\[[0-9;?]*[a-zA-Z]|\r")
	// moving is one picture of the progress.
	moving = regexp.MustCompile("\r(\x1b\\[2m)?[" + string(spinner) + "] [^\r\n]*\x1b\\[K")
)

// screen is all that was written, without what moves the cursor.
func (o *terminal) screen() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return control.ReplaceAllString(moving.ReplaceAllString(o.out.String(), ""), "")
}

// expect waits for text after what was expected before.
func (o *terminal) expect(text string) {
	o.t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	for over := false; ; {
		screen := o.screen()
		if i := strings.Index(screen[o.at:], text); i >= 0 {
			o.at += i + len(text)
			return
		}
		if over || time.Now().After(deadline) {
			require.FailNow(o.t, "not on the screen: "+text, screen)
		}
		select {
		case <-o.done:
			over = true // once more: it may be the last output
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (o *terminal) enter(keys string) {
	o.t.Helper()
	_, err := io.WriteString(o.file, keys)
	require.NoError(o.t, err)
}

// ends waits for the command's end and its exit code.
func (o *terminal) ends(code int) {
	o.t.Helper()
	<-o.done
	_ = o.cmd.Wait()
	require.Equal(o.t, code, o.cmd.ProcessState.ExitCode(), o.screen())
	require.NotContains(o.t, o.screen(), "panic")
}

const (
	enter  = "\r"
	ctrlC  = "\x03"
	ctrlD  = "\x04"
	up     = "\x1b[A"
	paste  = "\x1b[200~"
	pasted = "\x1b[201~"
)

// parrot answers with the number of messages it has received, and the last.
type parrot struct{}

func (parrot) Execute(_ context.Context, req executors.Request) (executors.Result, error) {
	last := req.Messages[len(req.Messages)-1].Text()
	return executors.Result{
		Message: conversation.Text(conversation.RoleAssistant, fmt.Sprintf("%d: %q", len(req.Messages), last)),
		End:     last == "bye",
	}, nil
}

func TestChat(t *testing.T) {
	t.Parallel()
	o := newOffice(t, parrot{}, nil)
	o.StartWorker(t)

	first := o.open("chat", "--id", "first")
	first.expect("conversation direct/" + o.Name + "/first")
	first.expect("you › ")
	first.enter("hello" + enter)
	first.expect(o.Name + ` › 1: "hello"`)
	first.expect("you › ")
	first.enter(`one \` + enter)
	first.expect("  … ")
	first.enter("two" + enter)
	first.expect(`3: "one \ntwo"`)
	first.expect("you › ")
	first.enter("see " + paste + "a\r\n\r\n  b\\\nc" + pasted + "!" + enter)
	first.expect(`5: "see a\n\n  b\\\nc!"`)
	first.expect("you › ")
	first.enter(`"""` + enter)
	first.expect("  … ")
	first.enter("x" + enter + `y"""` + enter)
	first.expect(`7: "x\ny"`)
	first.expect("you › ")
	first.enter("/status" + enter)
	first.expect("listening")
	first.expect("you › ")
	first.enter("//slash" + enter)
	first.expect(`9: "/slash"`)
	first.enter("/nonsense" + enter)
	first.expect("there is no command /nonsense")
	first.enter("never sent \\" + enter)
	first.expect("  … ")
	first.enter(ctrlC)
	first.expect("discarded")
	first.expect("you › ")
	first.enter(ctrlC)
	first.expect("The conversation continues. To come back: starter chat " + o.Name + " --resume first")
	first.ends(0)

	// Typed lines are readable by their owner only, and return with the arrow keys.
	history := filepath.Join(o.state, "parley", "chat_history")
	info, err := os.Stat(history)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	again := o.open("chat", "--resume", "direct/"+o.Name+"/first")
	again.expect("4 messages before this")
	again.expect("you › x\n      y")
	again.expect(`› 9: "/slash"`)
	again.expect("you › ")
	again.enter(up + up + up + up + enter)
	again.expect(`11: "x\ny"`)
	again.expect("you › ")
	again.enter("bye" + enter)
	again.expect("13: ")
	again.expect("the conversation has ended")
	again.expect("starter show direct/" + o.Name + "/first")
	again.ends(0)

	over := o.open("chat", "--resume", "first")
	over.expect("the conversation has ended: ended by agent after 7 turns")
	over.ends(0)
	unknown := o.open("chat", "--resume", "never")
	unknown.expect("starter: no conversation \"direct/" + o.Name + "/never\"")
	unknown.ends(4)

	private := o.open("chat", "--no-history")
	private.expect("you › ")
	private.enter("a secret" + enter)
	private.expect(`1: "a secret"`)
	private.expect("you › ")
	private.enter("/end enough" + enter)
	private.expect("the conversation has ended")
	private.ends(0)
	kept, err := os.ReadFile(history)
	require.NoError(t, err)
	require.NotContains(t, string(kept), "secret")
}

// terminals without colours get none, and dumb ones no cursor movement either.
func TestChatWithoutColours(t *testing.T) {
	t.Parallel()
	o := newOffice(t, parrot{}, nil)
	o.StartWorker(t)
	for variable, allowed := range map[string]string{"NO_COLOR=1": "\x1b[?2004h\x1b[K\x1b[D\x1b[A", "TERM=dumb": "\x1b[K\x1b[D\x1b[A"} {
		c := openTerminal(t, append([]string{variable}, o.environ...), "chat", "--no-history")
		c.expect("you › ")
		c.enter("hello" + enter)
		c.expect(`1: "hello"`)
		c.expect("you › ")
		c.enter(ctrlD)
		c.ends(0)
		require.NotRegexp(t, "\x1b\\[[0-9;]+m", c.out.String(), "%s allows %q", variable, allowed)
		require.Equal(t, variable != "TERM=dumb", strings.Contains(c.out.String(), "\x1b[?2004h"))
	}
}

func TestChatAsksAboutToolCalls(t *testing.T) {
	t.Parallel()
	gate := rig.NewGate()
	box := rig.NewToolbox([]string{"refund"}, "refund")
	o := newOffice(t, gate, box)
	o.StartWorker(t)
	c := o.open("chat", "--id", "tools")
	c.expect("you › ")
	c.enter("my money back" + enter)
	ask := gate.Asked(t)
	c.enter("yes" + enter) // typed ahead: the next message, not an answer
	ask.Answer(t, rig.CallsTools("refund"))
	c.expect(o.Name + " asks to call the tool refund")
	c.expect(`"n": 1`)
	c.expect("decide before")
	c.expect("why not › ")
	c.enter("too dear" + enter)
	c.expect("refused: the agent receives the refusal")
	ask = gate.Asked(t)
	last := ask.Messages[len(ask.Messages)-1]
	require.Equal(t, "an operator refused the call: too dear", last.Parts[0].ToolResult.Content)
	require.Empty(t, box.Calls())
	ask.Answer(t, rig.CallsTools("refund"))
	c.expect("why not › ")
	c.enter("y" + enter)
	c.expect("allowed")
	gate.Asked(t).Answer(t, executors.Result{Message: conversation.Text(conversation.RoleAssistant, "done")})
	c.expect(o.Name + " › done")
	require.Len(t, box.Calls(), 1)

	// The text typed ahead is sent now. Another operator decides this time.
	c.expect("you › yes")
	gate.Asked(t).Answer(t, rig.CallsTools("refund"))
	c.expect("why not › ")
	o.starter(0, "approve", "direct/"+o.Name+"/tools", "--yes", "--as", "ada")
	c.expect("no answer is needed any more")
	gate.Asked(t).Answer(t, executors.Result{Message: conversation.Text(conversation.RoleAssistant, "done again")})
	c.expect(o.Name + " › done again")
	c.enter(ctrlD)
	c.ends(0)
}

func TestChatOutlivesItsWorker(t *testing.T) {
	t.Parallel()
	gate := rig.NewGate()
	o := newOffice(t, gate, nil)
	o.StartWorker(t)
	c := o.open("chat", "--id", "restart")
	c.expect("you › ")
	c.enter("hello" + enter)
	gate.Asked(t)
	o.StopWorkers() // in the middle of the reply
	c.expect(`no worker answers on task queue "` + o.TaskQueue + `": waiting`)
	o.StartWorker(t)
	gate.Asked(t).Reply(t)
	c.expect("gate reply 1")
	c.expect("you › ")

	// And without a worker to receive the message.
	o.StopWorkers()
	c.enter("anybody?" + enter)
	c.expect("no worker answers on task queue")
	c.enter(ctrlC)
	c.expect("stopped waiting")
	c.expect("may not have arrived")
	c.expect("you › ")
	c.enter("half a line")
	o.StartWorker(t)
	gate.Asked(t).Reply(t)
	c.expect("gate reply 2")
	c.expect("you › half a line")
	c.enter(", and its end" + enter)
	ask := gate.Asked(t)
	require.Equal(t, "half a line, and its end", ask.Messages[len(ask.Messages)-1].Text())
	c.enter(ctrlC)
	c.expect("stopped waiting")
	c.enter(ctrlD)
	c.expect("The conversation continues")
	c.ends(0)

	// The client that resumes gets the reply.
	c = o.open("chat", "--resume", "restart")
	c.expect("you › half a line, and its end")
	ask.Reply(t)
	c.expect("gate reply 3")
	c.expect("you › ")
	c.enter(ctrlD)
	c.ends(0)
	var record records.Record
	o.json(&record, 0, "show", "direct/"+o.Name+"/restart")
	require.Len(t, record.Messages, 6, "each message was heard once")

	// Also if it resumes while there is no worker.
	c = o.open("chat", "--resume", "restart")
	c.expect("gate reply 3")
	c.expect("you › ")
	c.enter("the last" + enter)
	gate.Asked(t)
	c.enter(ctrlC)
	c.expect("stopped waiting")
	o.StopWorkers()
	c.enter(ctrlD)
	c.ends(0)
	c = o.open("chat", "--resume", "restart")
	c.expect("you › the last")
	c.expect("no worker answers on task queue")
	o.StartWorker(t)
	gate.Asked(t).Reply(t)
	c.expect("gate reply 4")
	c.expect("you › ")
	c.enter(ctrlD)
	c.ends(0)
}

func TestChatShowsWhatNeedsAttention(t *testing.T) {
	t.Parallel()
	o := newOffice(t, stuck{}, nil)
	o.StartWorker(t)
	c := o.open("chat", "--id", "stuck")
	c.expect("you › ")
	c.enter("hello" + enter)
	c.expect("The conversation needs attention")
	c.expect("set another key")
	c.expect("starter takeover direct/" + o.Name + "/stuck")
	o.starter(0, "takeover", "direct/"+o.Name+"/stuck", "--text", "A person speaks.")
	c.expect(o.Name + " › A person speaks.")
	c.expect("you › ")
	o.starter(0, "pause", "direct/"+o.Name+"/stuck", "--reason", "lunch")
	c.enter("hello?" + enter)
	c.expect("The conversation is paused")
	c.expect("lunch")
	o.starter(0, "end", "direct/"+o.Name+"/stuck")
	c.expect("this message got no reply")
	c.expect("the conversation has ended")
	c.ends(0)
}

// A road leads to Temporal, and can be closed.
type road struct {
	t       *testing.T
	address string

	mu    sync.Mutex
	gate  net.Listener
	conns []net.Conn
	all   sync.WaitGroup
}

func newRoad(t *testing.T) *road {
	r := &road{t: t, address: "127.0.0.1:0"}
	r.open()
	t.Cleanup(func() {
		r.close()
		r.all.Wait()
	})
	return r
}

func (r *road) open() {
	gate, err := net.Listen("tcp", r.address)
	require.NoError(r.t, err)
	r.gate, r.address = gate, gate.Addr().String()
	to := localstacktest.Address(r.t)
	r.all.Go(func() {
		for {
			from, err := gate.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", to)
			if err != nil {
				_ = from.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, from, there)
			r.mu.Unlock()
			for _, way := range [][2]net.Conn{{from, there}, {there, from}} {
				r.all.Go(func() {
					_, _ = io.Copy(way[0], way[1])
					_ = way[0].Close()
				})
			}
		}
	})
}

func (r *road) close() {
	_ = r.gate.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.conns = nil
}

func TestChatOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	gate := rig.NewGate()
	o := newOffice(t, gate, nil)
	o.StartWorker(t)
	road := newRoad(t)
	c := o.open("chat", "--id", "lost", "--temporal-address", road.address)
	c.expect("you › ")
	c.enter("hello" + enter)
	ask := gate.Asked(t)
	road.close()
	c.expect("does not answer")
	ask.Reply(t) // the request is lost
	road.open()
	c.expect("gate reply 1")
	c.expect("you › ")
	c.enter("/quit" + enter)
	c.expect("--resume lost --temporal-address " + road.address)
	c.ends(0)
	var record records.Record
	o.json(&record, 0, "show", "direct/"+o.Name+"/lost")
	require.Len(t, record.Messages, 2)
}

func TestChatOfLines(t *testing.T) {
	t.Parallel()
	o := newOffice(t, parrot{}, nil)
	o.StartWorker(t)
	o.stdin = "hello\n\nand \\\nbye\nnot heard any more\n"
	require.Equal(t, "1: \"hello\"\n3: \"and \\\\\"\n5: \"bye\"\n", o.starter(0, "chat"))
	o.stdin = "hello"
	var reply sendDocument
	o.json(&reply, 0, "chat", "--id", "lines")
	require.Equal(t, `1: "hello"`, reply.Text)
	require.Equal(t, "direct/"+o.Name+"/lines", reply.Conversation)
	o.stdin = "bye"
	o.starter(0, "chat", "--resume", "lines")
	o.starter(3, "chat", "--resume", "lines")
}

func TestSend(t *testing.T) {
	t.Parallel()
	o := newOffice(t, parrot{}, nil)
	o.StartWorker(t)
	require.Equal(t, "1: \"hello\"\n", o.starter(0, "send", "hello"))
	for range 2 { // exactly once
		var reply sendDocument
		o.json(&reply, 0, "send", o.Name, "hello", "--id", "s1", "--message-id", "m1", "--data", `{"a": 1}`)
		require.Equal(t, sendDocument{
			Conversation: "direct/" + o.Name + "/s1", ID: "m1", Turn: 1, Text: `1: "hello"`, Message: reply.Message,
		}, reply)
	}
	o.stdin = "two\nlines\n"
	require.Equal(t, "3: \"two\\nlines\"\n", o.starter(0, "send", "-", "--resume", "s1", "--end"))
	o.starter(3, "send", "more", "--id", "s1")
	o.starter(0, "send", "hello", "--id", "s1", "--message-id", "m1")
	o.starter(4, "send", "more", "--resume", "s2")
	require.Contains(t, o.starter(0, "list", "--platform", "direct", "--project", o.Name, "--limit", "1", "--status", "listening"), "listening")
	require.Contains(t, o.starter(0, "show", "direct/"+o.Name+"/s1"), "ended by operator")

	// What cannot succeed must not be waited for.
	for _, args := range [][]string{
		{"hello", "--id", "caf\u00e9"}, {"hello", "--id", "a\nb"}, {"hello", "--resume", "caf\u00e9"},
		{"hello", "--message-id", "caf\xe9"}, {"caf\xe9"},
	} {
		o.starter(2, append([]string{"send"}, args...)...)
	}

	o.StopWorkers()
	o.starter(1, "send", "anybody?", "--id", "s3", "--timeout", "2s")
	require.Contains(t, o.starter(0, "show", "direct/"+o.Name+"/s3"), "claiming")
}

func TestSendThatNeedsAPerson(t *testing.T) {
	t.Parallel()
	o := newOffice(t, stuck{}, nil)
	o.StartWorker(t)
	o.starter(3, "send", "hello", "--id", "s1", "--message-id", "m1")
	o.starter(0, "takeover", "direct/"+o.Name+"/s1", "--text", "A person speaks.")
	require.Equal(t, "A person speaks.\n", o.starter(0, "send", "hello", "--id", "s1", "--message-id", "m1"))
	require.Equal(t, workflows.StateListening, o.Status(t, "direct/"+o.Name+"/s1").State)
}
