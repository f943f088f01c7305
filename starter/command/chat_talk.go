package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/chat"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// Regular ends of an interactive conversation.
var (
	errLeft  = errors.New("left")
	errEnded = errors.New("ended")
	// errStopped: the user stopped waiting for the reply.
	errStopped = errors.New("stopped waiting")
)

const (
	// recent is the number of earlier messages shown.
	recent = 6
	// spin is the interval of the progress animation.
	spin = 120 * time.Millisecond
)

var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// A talk is one conversation on a terminal, or between two streams.
type talk struct {
	styles

	s            *starter
	o            *operate.Operator
	direct       launch.Direct
	ref          conversation.Ref
	conversation *chat.Conversation
	screen       *chat.Screen
	before       *records.Record // the record of a conversation that existed before

	composer chat.Composer
	waiting  []*chat.Pending // replies that were not shown, oldest first
	failed   *workflows.SendRequest
	seen     chat.Condition
	shown    struct {
		absent    bool      // that no worker answers
		attention time.Time // the last one reported
	}
	decided map[string]bool // calls that were asked about
	said    bool            // a message was sent
}

func (t *talk) id() string { return workflows.ConversationID(t.ref) }

// interactive exchanges messages until the user leaves (errLeft), the conversation has
// ended (errEnded), or an error occurs.
func (t *talk) interactive(ctx context.Context) error {
	t.decided = map[string]bool{}
	t.print("%s %s\n%s\n", t.faint("conversation"), t.id(), t.faint("/help lists the commands; Ctrl-D leaves, and the conversation continues"))
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

// remark is for texts that are no message.
func (t *talk) remark(format string, args ...any) {
	t.print("%s\n", t.faint("· "+fmt.Sprintf(format, args...)))
}

func (t *talk) warn(format string, args ...any) {
	t.print("%s\n", t.warning("! "+clip(fmt.Sprintf(format, args...), 600)))
}

// recap shows the last messages from before, and waits for open replies.
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
	if quiet || t.before.Source == records.SourceHistory && last {
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

func (t *talk) show(messages []records.Message) {
	for _, m := range messages {
		t.print("%s", t.styles.said(m, t.ref.Agent, t.screen.Width()))
	}
}

func (t *talk) record(ctx context.Context) (records.Record, error) {
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
			t.remark("discarded; Ctrl-C again leaves")
			continue
		}
		message, whole := t.composer.Add(line.Text, line.Pasted)
		if !whole || strings.TrimSpace(message.Text) == "" {
			continue
		}
		if err := t.screen.History.Remember(message.Text); err != nil {
			t.warn("the history of typed lines cannot be written: %v", err)
		}
		return message, nil
	}
}

// await waits for a line, and shows replies that arrive meanwhile.
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

// send sends a message and waits for all open replies.
func (t *talk) send(ctx context.Context, req workflows.SendRequest) error {
	if err := req.Validate(); err != nil {
		t.warn("%v: it was not sent", err)
		return nil
	}
	t.said, t.failed = true, nil
	t.waiting = append(t.waiting, t.conversation.Send(req))
	return t.waitAll(ctx)
}

func ignoring(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}
