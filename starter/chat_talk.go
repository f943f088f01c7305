package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/chat"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/workflows"
)

// How an interactive conversation stops without anything having gone wrong.
var (
	errLeft  = errors.New("left")
	errEnded = errors.New("ended")
	// errStopped: not waiting for the reply any more.
	errStopped = errors.New("stopped waiting")
)

const (
	// recent is how much of what was said before is shown.
	recent = 6
	// spin is how often the progress moves.
	spin = 120 * time.Millisecond
)

var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// A talk is one conversation on a terminal, or from one stream to another.
type talk struct {
	looks

	s            *starter
	o            *operate.Operator
	direct       launch.Direct
	ref          conversation.Ref
	conversation *chat.Conversation
	screen       *chat.Screen
	before       *operate.Record // what there was, of one that existed

	composer chat.Composer
	waiting  []*chat.Pending // whose replies have not been shown, oldest first
	failed   *workflows.SendRequest
	seen     chat.Sighting
	told     struct {
		absent    bool      // that nobody answers
		attention time.Time // the last that was told of
	}
	decided map[string]bool // calls that were asked about
	said    bool            // something was sent
}

func (t *talk) id() string { return workflows.ConversationID(t.ref) }

// interactive talks until somebody leaves, errLeft, the conversation is over,
// errEnded, or something goes wrong.
func (t *talk) interactive(ctx context.Context) error {
	t.decided = map[string]bool{}
	t.print("%s %s\n%s\n", t.faint("conversation"), t.id(), t.faint("/help lists the commands; Ctrl-D leaves, and the conversation goes on"))
	if err := t.recap(ctx); err != nil {
		return err
	}
	for {
		t.print("\n")
		message, err := t.listen(ctx)
		if err != nil {
			return err
		}
		if message.Plain && strings.HasPrefix(message.Text, "/") && !strings.HasPrefix(message.Text, "//") {
			err = t.command(ctx, message.Text)
		} else {
			if message.Plain && strings.HasPrefix(message.Text, "//") {
				message.Text = message.Text[1:]
			}
			err = t.send(ctx, workflows.SendRequest{ID: chat.NewMessageID(), Text: message.Text})
		}
		if err != nil && !errors.Is(err, errStopped) {
			return err
		}
	}
}

func (t *talk) print(format string, args ...any) { t.screen.Print(fmt.Sprintf(format, args...)) }

// remark is for what nobody has said.
func (t *talk) remark(format string, args ...any) {
	t.print("%s\n", t.faint("· "+fmt.Sprintf(format, args...)))
}

func (t *talk) warn(format string, args ...any) {
	t.print("%s\n", t.warning("! "+clip(fmt.Sprintf(format, args...), 600)))
}

// recap shows the end of what was said before, and waits for what is being said.
func (t *talk) recap(ctx context.Context) error {
	if t.before == nil {
		return nil
	}
	t.said = true
	messages := t.before.Messages
	if extra := len(messages) - recent; extra > 0 {
		t.remark("%s before this: /transcript shows all", count(extra, "message"))
		messages = messages[extra:]
	}
	t.print("\n")
	t.show(messages)
	if !t.before.Open {
		return t.isOver(ctx)
	}
	next := 0
	if n := len(t.before.Messages); n > 0 {
		next = t.before.Messages[n-1].Index + 1
	}
	quiet := t.before.Status == string(workflows.StateListening)
	last := len(messages) == 0 || messages[len(messages)-1].Role == conversation.RoleAssistant
	if quiet || t.before.Source == operate.SourceHistory && last {
		return nil
	}
	err := t.wait(ctx, nil)
	if err != nil && !errors.Is(err, errEnded) {
		return ignoring(err, errStopped)
	}
	record, e := t.record(ctx)
	if e != nil {
		t.warn("%v", e)
		return err
	}
	for len(record.Messages) > 0 && record.Messages[0].Index < next {
		record.Messages = record.Messages[1:]
	}
	t.show(record.Messages)
	if err != nil || !record.Open {
		return t.isOver(ctx)
	}
	return nil
}

func (t *talk) show(messages []operate.Message) {
	for _, m := range messages {
		t.print("%s", t.looks.said(m, t.ref.Agent, t.screen.Width()))
	}
}

func (t *talk) record(ctx context.Context) (operate.Record, error) {
	ctx, cancel := t.s.bounded(ctx)
	defer cancel()
	return t.o.Show(ctx, t.id())
}

// listen returns a whole message.
func (t *talk) listen(ctx context.Context) (chat.Composed, error) {
	for {
		prompt := t.you(youLabel)
		if t.composer.Begun() {
			prompt = t.faint(moreLabel)
		}
		line, err := t.await(ctx, t.screen.ReadLine(prompt))
		switch {
		case err != nil:
			return chat.Composed{}, err
		case line.Err != nil:
			if !errors.Is(line.Err, chat.ErrBreak) || !t.composer.Begun() {
				return chat.Composed{}, errLeft
			}
			t.composer.Drop()
			t.remark("dropped; Ctrl-C once more leaves")
			continue
		}
		message, whole := t.composer.Add(line.Text, line.Pasted)
		if !whole || strings.TrimSpace(message.Text) == "" {
			continue
		}
		if err := t.screen.History.Remember(message.Text); err != nil {
			t.warn("the history of what was typed cannot be written: %v", err)
		}
		return message, nil
	}
}

// await waits for a line, and shows replies that come meanwhile.
func (t *talk) await(ctx context.Context, typed <-chan chat.Line) (chat.Line, error) {
	for {
		var done <-chan struct{}
		if len(t.waiting) > 0 {
			done = t.waiting[0].Done()
		}
		select {
		case line := <-typed:
			return line, nil
		case <-done:
			if err := t.deliver(ctx); err != nil {
				t.screen.Cancel(typed)
				return chat.Line{}, err
			}
		case <-ctx.Done():
			t.screen.Cancel(typed)
			return chat.Line{}, context.Cause(ctx)
		}
	}
}

// send sends a message and waits for what is still to be answered, it included.
func (t *talk) send(ctx context.Context, req workflows.SendRequest) error {
	if err := req.Validate(); err != nil {
		t.warn("%v: it was not sent", err)
		return nil
	}
	t.said, t.failed = true, nil
	t.waiting = append(t.waiting, t.conversation.Send(req))
	return t.waitAll(ctx)
}

func (t *talk) waitAll(ctx context.Context) error {
	for len(t.waiting) > 0 {
		if err := t.wait(ctx, t.waiting[0].Done()); err != nil {
			return err
		}
		if err := t.deliver(ctx); err != nil {
			return err
		}
	}
	return nil
}

// deliver shows what became of the oldest message that waits.
func (t *talk) deliver(ctx context.Context) error {
	p := t.waiting[0]
	t.waiting = t.waiting[1:]
	reply, err := p.Result()
	switch {
	case errors.Is(err, launch.ErrOver):
		t.warn("this message got no reply")
		return t.isOver(ctx)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		t.failed = &p.Request
		t.warn("%v", refused(t.o, t.ref, err))
		t.remark("/retry sends the message again, under the same id")
		return nil
	}
	label := t.ref.Agent + " › "
	t.print("%s", speech(label, t.agent(label), replyText(reply), t.screen.Width()))
	if reply.Ended {
		return t.isOver(ctx)
	}
	return nil
}

// isOver says how the conversation ended.
func (t *talk) isOver(ctx context.Context) error {
	ctx, cancel := t.s.bounded(ctx)
	defer cancel()
	how := ""
	if c, err := t.o.Look(ctx, t.id()); err == nil && !c.Open && c.Result() != "" {
		how = fmt.Sprintf(": %s after %s", c.Result(), count(c.Turns, "turn"))
	}
	t.print("\n")
	t.remark("the conversation is over%s", how)
	return errEnded
}

// wait shows what happens until done is closed or, if it is nil, until the agent
// listens. It asks about tool calls that need somebody's word. errStopped: somebody
// has had enough of waiting.
func (t *talk) wait(ctx context.Context, done <-chan struct{}) error {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	sightings := t.conversation.Watch(watching)
	began := time.Now()
	t.seen, t.told.absent = chat.Sighting{Since: began}, false
	ticker := time.NewTicker(spin)
	defer ticker.Stop()
	defer t.screen.Progress("")
	for turn := 0; ; {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case chunk, open := <-t.screen.Typed():
			if !open {
				return errLeft // the terminal is gone
			}
			if t.screen.Later(chunk) {
				return t.stopWaiting()
			}
		case <-ticker.C:
			turn++
			if now := time.Now(); now.Sub(began) > 2*spin {
				text := string(spinner[turn%len(spinner)]) + " " + progress(t.ref.Agent, t.seen, began, now)
				t.screen.Progress(t.faint(clip(text, t.screen.Width()-1)))
			}
		case seen := <-sightings:
			if err := t.see(ctx, seen, done, sightings); err != nil {
				return err
			}
			if done == nil && seen.Err == nil && seen.Status.Queued == 0 {
				switch seen.Status.State {
				case workflows.StateListening:
					return nil
				case workflows.StateClosed:
					return errEnded
				}
			}
		}
	}
}

func (t *talk) stopWaiting() error {
	t.remark("not waiting any more: the reply is shown when it comes; /wait waits again")
	if t.seen.Err != nil && operate.KindOf(t.seen.Err) != operate.NotFound {
		t.remark("%s: what was said may not have arrived yet. It is tried for as long as this is open", t.seen.Err)
	}
	t.remark("later: %s", t.s.again(t.ref))
	return errStopped
}

// see tells of what is new, and asks what has to be decided.
func (t *talk) see(ctx context.Context, seen chat.Sighting, done <-chan struct{}, sightings <-chan chat.Sighting) error {
	t.seen = seen
	switch {
	case seen.Err == nil && t.told.absent:
		t.told.absent = false
		t.remark("it goes on")
	case seen.Absent(graceful) && !t.told.absent:
		t.told.absent = true
		t.remark("%v: waiting", seen.Err)
	}
	if seen.Err != nil {
		return nil
	}
	if a := seen.Status.Attention; a != nil && !a.Since.Equal(t.told.attention) {
		t.told.attention = a.Since
		t.print("%s", t.attention(seen.Status, t.id(), time.Now()))
	}
	for _, a := range seen.Status.Approvals {
		if key := callKey(a); !t.decided[key] {
			if err := t.decide(ctx, a, done, sightings); err != nil {
				return err
			}
			t.decided[key] = true
		}
	}
	return nil
}

// callKey tells calls apart: ids are given by models.
func callKey(a workflows.Approval) string { return a.CallID + " " + a.Since.String() }

// decide asks about one tool call, until it is decided here or elsewhere.
func (t *talk) decide(ctx context.Context, a workflows.Approval, done <-chan struct{}, sightings <-chan chat.Sighting) error {
	t.print("%s", t.question(t.ref.Agent, a, time.Now(), t.screen.Width()))
	for {
		answer, err := t.answer(ctx, a, done, sightings)
		if err != nil || answer == "" {
			return err
		}
		req := workflows.ApproveRequest{CallID: a.CallID}
		switch strings.ToLower(answer) {
		case "y", "yes":
		case "n", "no":
			req.Deny = true
		default:
			req.Deny, req.Reason = true, answer
		}
		deciding, cancel := t.s.bounded(ctx)
		_, err = t.o.Approve(deciding, t.id(), req)
		cancel()
		switch {
		case err == nil && req.Deny:
			t.remark("refused: the agent is told")
		case err == nil:
			t.remark("allowed")
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case operate.KindOf(err) == operate.Rejected, operate.KindOf(err) == operate.Ended:
			t.warn("%v", err)
		default: // a worker may be away: it is to be decided all the same
			t.warn("%v", err)
			continue
		}
		return nil
	}
}

// answer is what somebody says to a question, empty if it is none any more.
func (t *talk) answer(ctx context.Context, a workflows.Approval, done <-chan struct{}, sightings <-chan chat.Sighting) (string, error) {
	prompt := t.warning("allow it? [y]es, [n]o, or why not › ")
	typed := t.screen.Ask(prompt)
	for {
		select {
		case line := <-typed:
			switch text := strings.TrimSpace(line.Text); {
			case errors.Is(line.Err, io.EOF):
				return "", errLeft
			case line.Err != nil:
				t.remark("not decided: `starter approve %s` decides, too", shellWord(t.id()))
				return "", t.stopWaiting()
			case text != "":
				return text, nil
			}
			typed = t.screen.Ask(prompt)
		case seen := <-sightings:
			t.seen = seen
			if seen.Err != nil || waits(seen.Status, a) {
				continue
			}
			t.screen.Cancel(typed)
			t.remark("no answer is needed any more")
			return "", nil
		case <-done:
			t.screen.Cancel(typed)
			return "", nil
		case <-ctx.Done():
			t.screen.Cancel(typed)
			return "", context.Cause(ctx)
		}
	}
}

func waits(st workflows.Status, a workflows.Approval) bool {
	for _, other := range st.Approvals {
		if callKey(other) == callKey(a) {
			return true
		}
	}
	return false
}

// command does what a line that begins with a slash says.
func (t *talk) command(ctx context.Context, line string) error {
	name, rest, _ := strings.Cut(line, " ")
	switch rest = strings.TrimSpace(rest); name {
	case "/help":
		t.print("%s", chatCommands)
	case "/quit":
		return errLeft
	case "/end":
		return t.end(ctx, rest)
	case "/wait":
		if len(t.waiting) == 0 {
			t.remark("all is answered")
			return nil
		}
		return t.waitAll(ctx)
	case "/resume":
		return t.resume(ctx)
	case "/retry":
		if t.failed == nil {
			t.remark("everything was sent")
			return nil
		}
		return t.send(ctx, *t.failed)
	case "/status", "/transcript":
		record, err := t.record(ctx)
		switch {
		case operate.KindOf(err) == operate.NotFound:
			t.remark("nothing has been said yet")
		case err != nil:
			t.warn("%v", err)
		case name == "/status":
			record.Persona = "" // that is us
			t.print("%s", header(record, time.Now()))
		default:
			t.show(record.Messages)
		}
	default:
		t.warn("there is no command %s: /help lists them; to say it, begin with //", name)
	}
	return nil
}

// resume goes on with a paused or parked conversation.
func (t *talk) resume(ctx context.Context) error {
	resuming, cancel := t.s.bounded(ctx)
	defer cancel()
	if _, err := t.o.Resume(resuming, t.id(), workflows.ResumeRequest{}); err != nil {
		t.warn("%v", err)
		return nil
	}
	t.remark("it goes on")
	return t.waitAll(ctx)
}

func (t *talk) end(ctx context.Context, reason string) error {
	if !t.said {
		t.remark("nothing has been said: there is no conversation to end")
		return errLeft
	}
	ending, cancel := t.s.bounded(ctx)
	defer cancel()
	if _, err := t.o.End(ending, t.id(), workflows.EndRequest{Reason: reason}); err != nil {
		t.warn("%v", err)
		return nil
	}
	t.remark("the conversation is ended")
	return errEnded
}

// farewell says how to go on, once the terminal is its owner's again.
func (t *talk) farewell(err error) {
	switch {
	case errors.Is(err, errEnded):
		t.s.say("It can be looked at: starter show %s", shellWord(t.id()))
	case !t.said:
		t.s.say("Nothing was said.")
	default:
		if len(t.waiting) > 0 && t.seen.Err != nil && operate.KindOf(t.seen.Err) != operate.NotFound {
			t.s.say("The last message may not have arrived: %v.", t.seen.Err)
		}
		t.s.say("The conversation goes on. To come back: %s", t.s.again(t.ref))
	}
}

func ignoring(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}
