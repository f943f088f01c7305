package command

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/uilink"
	"github.com/parley-run/parley/workflows"
)

// Intervals of reading: short enough to read along, long enough for a laptop's server.
const (
	followEvery = 500 * time.Millisecond
	boardEvery  = 2 * time.Second
	// boardSize is the number of lines on a screen.
	boardSize = 40
)

func (s *starter) watchCommand() *cobra.Command {
	var f filterFlags
	cmd := &cobra.Command{
		Use: "watch [CONVERSATION]", Long: watchHelp, Example: watchExample,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return oneConversation(cmd, args)
		},
		RunE: s.does(func(ctx context.Context, args []string) error {
			o, err := s.operator(ctx)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return s.follow(ctx, o, args[0])
			}
			if isTerminal(s.stdout) && !s.inJSON() {
				return s.watchScreen(ctx, o, f)
			}
			return s.board(ctx, o, f)
		}),
	}
	f.register(cmd.Flags())
	s.flags.registerAs(cmd.Flags())
	return cmd
}

// A watchLine is one JSON line of a followed conversation. Event says which
// field is set.
type watchLine struct {
	Event   string            `json:"event"` // "message", "status", "ended"
	Message *records.Message  `json:"message,omitempty"`
	Status  *workflows.Status `json:"status,omitempty"`
	Record  *endedRecord      `json:"record,omitempty"`
}

// endedRecord is a Record without the messages, which were written before.
type endedRecord struct {
	records.Conversation
	Executor string             `json:"executor,omitempty"`
	Model    string             `json:"model,omitempty"`
	Usage    conversation.Usage `json:"usage"`
	Detail   string             `json:"detail,omitempty"`
}

func (s *starter) follow(ctx context.Context, o *operate.Operator, name string) error {
	ctx, cancel := s.lasting(ctx)
	defer cancel()
	finding, stop := s.bounded(ctx)
	id, err := o.Find(finding, name)
	stop()
	if err != nil {
		return err
	}
	if page := uilink.Conversation(o.UI, o.Namespace, id, ""); page != "" && !s.inJSON() {
		s.say("In the Temporal UI: %s", page)
	}
	record, err := o.Follow(ctx, id, followEvery, s.tell(o))
	if err != nil {
		return err
	}
	if s.inJSON() {
		if err := s.line(watchLine{Event: "ended", Record: &endedRecord{record.Conversation, record.Executor, record.Model, record.Usage, record.Detail}}); err != nil {
			return err
		}
	} else {
		s.print("%s", header(record, time.Now()))
	}
	if record.NeedsOperator() {
		return exit(codeNeedsOperator)
	}
	return nil
}

// tell writes changes: messages to the output, the rest as remarks.
func (s *starter) tell(o *operate.Operator) func(records.Change) error {
	return func(seen records.Change) error {
		switch {
		case seen.NoWorker:
			s.say("No worker answers on task queue %q: waiting for one.", o.TaskQueue)
		case seen.Lost != nil:
			s.say("%v: waiting for it.", seen.Lost)
		}
		for _, m := range seen.Messages {
			if s.inJSON() {
				if err := s.line(watchLine{Event: "message", Message: &m}); err != nil {
					return err
				}
				continue
			}
			s.print("%s\n", messageText(m, "persona", time.Now()))
		}
		if seen.Status == nil {
			return nil
		}
		if s.inJSON() {
			return s.line(watchLine{Event: "status", Status: seen.Status})
		}
		s.say("%s", statusLine(*seen.Status))
		return nil
	}
}

func statusLine(st workflows.Status) string {
	text := "· " + words(string(st.State))
	if a := st.Attention; a != nil {
		text += ": " + clip(a.Reason, 300)
		if a.Remedy != "" {
			text += " (" + clip(a.Remedy, 300) + ")"
		}
	} else if st.Step != "" {
		text += " · " + printable.Line(st.Step)
	}
	for _, f := range st.Retrying {
		text += " · " + clip(f.Step+", "+f.String(), 500)
	}
	return text
}

// board writes a line for each change of the open conversations.
func (s *starter) board(ctx context.Context, o *operate.Operator, f filterFlags) error {
	ctx, cancel := s.lasting(ctx)
	defer cancel()
	if len(f.statuses) == 0 {
		f.statuses = []string{records.StatusOpen}
	}
	filter := s.filter(f)
	known := make(map[string]records.Conversation)
	lost, seen := false, false
	for {
		bounded, stop := s.bounded(ctx)
		page, err := o.List(bounded, filter, boardSize)
		stop()
		switch {
		case err != nil && records.KindOf(err) == records.Unreachable && ctx.Err() == nil && seen:
			if !lost {
				s.say("%v: waiting for it.", err)
			}
			lost = true
		case err != nil:
			return err
		default:
			lost = false
			if err := s.changes(ctx, o, page.Conversations, known); err != nil {
				return err
			}
		}
		seen = seen || err == nil
		if err := pause.For(ctx, boardEvery); err != nil {
			return err
		}
	}
}

// changes reports conversations that are new or have changed, and the endings of those
// that left the list.
func (s *starter) changes(ctx context.Context, o *operate.Operator, now []records.Conversation, known map[string]records.Conversation) error {
	listed := make(map[string]bool)
	for _, c := range now {
		listed[c.ID] = true
		before, had := known[c.ID]
		known[c.ID] = c
		if had && before.Status == c.Status && before.Turns == c.Turns && failures(before) == failures(c) {
			continue
		}
		if err := s.boardLine(c); err != nil {
			return err
		}
	}
	for id := range known {
		if listed[id] {
			continue
		}
		delete(known, id)
		bounded, stop := s.bounded(ctx)
		c, err := o.Describe(bounded, id)
		stop()
		if err != nil {
			continue // the next list reports it
		}
		if err := s.boardLine(c); err != nil {
			return err
		}
	}
	return nil
}

// failures are the steps of a conversation that will be retried.
func failures(c records.Conversation) string {
	text := ""
	for _, f := range c.Retrying {
		text += " · " + clip(f.Step+", "+f.String(), 300)
	}
	return text
}

// boardLine is one conversation on a line of its own.
func (s *starter) boardLine(c records.Conversation) error {
	if s.inJSON() {
		return s.line(c)
	}
	text := words(c.Status) + ", " + count(c.Turns, "turn")
	if !c.Open {
		text = ending(c)
	}
	text = printable.Line(text + failures(c))
	s.print("%s  %s  %s\n", time.Now().Format(time.TimeOnly), printable.ID(c.ID), text)
	return nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
