package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/chat"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

type sendFlags struct {
	directFlags
	message, data string
	end           bool
}

// sendDocument is the JSON of one reply.
type sendDocument struct {
	// Conversation is the workflow id.
	Conversation string `json:"conversation"`
	// ID is the id of the answered message.
	ID   string `json:"id"`
	Turn int    `json:"turn"`
	// Text is the text of Message.
	Text    string               `json:"text"`
	Message conversation.Message `json:"message"`
	Ended   bool                 `json:"ended"`
}

func (s *starter) sendCommand() *cobra.Command {
	var f sendFlags
	cmd := &cobra.Command{
		Use: "send [AGENT] TEXT|-", Long: sendHelp, Example: sendExample,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 2 || len(args) == 0 && f.data == "" {
				return fmt.Errorf("send takes an agent and one text, in quotes: `%s --help` says how", cmd.CommandPath())
			}
			return nil
		},
		RunE: s.does(func(ctx context.Context, args []string) error {
			agent, text := "", ""
			switch len(args) {
			case 1:
				text = args[0]
			case 2:
				agent, text = args[0], args[1]
			}
			return s.send(ctx, agent, text, f)
		}),
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&f.message, "message-id", "", "the message's `id`; sent again, it gets the same reply (default: a new one)")
	cmd.Flags().StringVar(&f.data, "data", "", "`JSON` to send with the text, or instead of it")
	cmd.Flags().BoolVar(&f.end, "end", false, "end the conversation after the reply")
	return cmd
}

func (s *starter) send(ctx context.Context, agent, text string, f sendFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	if text == "-" {
		read, err := io.ReadAll(s.stdin)
		if err != nil {
			return fmt.Errorf("read the text: %w", err)
		}
		text = strings.TrimRight(string(read), "\r\n")
	}
	req := workflows.SendRequest{ID: f.message, Text: text}
	if f.data != "" {
		req.Data = json.RawMessage(f.data)
	}
	if req.ID == "" {
		req.ID = chat.NewMessageID()
	}
	if err := req.Validate(); err != nil {
		return usage(err)
	}
	o, direct, err := s.connectDirect(ctx, agent, f.directFlags)
	if err != nil {
		return err
	}
	sending, cancel := s.lasting(ctx)
	defer cancel()
	t := &talk{s: s, o: o, direct: direct, ref: direct.Input.Ref, conversation: chat.New(sending, o, direct)}
	defer t.conversation.Close()
	if f.id == "" && f.resume == "" {
		s.say("conversation %s", t.id())
	}
	reply, err := t.exchange(sending, req, t.patient)
	if err != nil {
		return t.unanswered(ctx, req, err)
	}
	if err := s.replied(t.id(), reply); err != nil {
		return err
	}
	if f.end && !reply.Ended {
		ending, cancel := s.bounded(ctx)
		defer cancel()
		if _, err := o.End(ending, t.id(), workflows.EndRequest{By: s.operatorName()}); err != nil && records.KindOf(err) != records.Ended {
			return err
		}
	}
	return nil
}

// patient stops the wait if no worker answers for some time.
func (t *talk) patient(seen chat.Condition) error {
	limit := t.s.flags.timeout
	if limit > 0 && !t.s.flags.timeoutGiven() && seen.Absent(limit) {
		return fmt.Errorf("%w: check that one runs", seen.Err)
	}
	return t.remarkTo(seen)
}

// unanswered says what to do about a message without a reply.
func (t *talk) unanswered(ctx context.Context, req workflows.SendRequest, err error) error {
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) && records.KindOf(err) == records.Failed {
		text := fmt.Sprintf("no reply within %v", t.s.flags.timeout)
		switch st := t.seen.Status; {
		case t.seen.Err != nil && records.KindOf(t.seen.Err) != records.NotFound:
			text += ": " + t.seen.Err.Error()
		case len(st.Approvals) > 0:
			return &exitError{codeNeedsOperator, fmt.Errorf("%s: the call of the tool %s waits for approval: starter approve %s",
				text, clip(st.Approvals[0].Tool, 200), shellWord(t.id()))}
		case st.State == workflows.StatePaused:
			return &exitError{codeNeedsOperator, fmt.Errorf("%s: the conversation is paused: starter resume %s", text, shellWord(t.id()))}
		case st.Step != "":
			text += ": current step: " + st.Step
		}
		err = &records.Fault{Kind: records.Failed, Err: err, Text: text}
	}
	switch records.KindOf(err) {
	case records.NoWorker, records.Unreachable, records.Failed:
		if e, isExit := errors.AsType[*exitError](err); !isExit || e.code == codeNeedsOperator && !errors.Is(err, launch.ErrOver) && !errors.Is(err, launch.ErrForgotten) {
			t.s.say("The reply may still come. To send the message again safely: --id %s --message-id %s", shellWord(t.ref.ID), shellWord(req.ID))
		}
	}
	return err
}

// replied writes a reply.
func (s *starter) replied(id string, reply workflows.SendReply) error {
	if !s.inJSON() {
		text := strings.TrimRight(clean(replyText(reply)), "\n")
		if text != "" {
			s.print("%s\n", text)
		}
		return nil
	}
	return s.line(sendDocument{
		Conversation: id, ID: reply.ID, Turn: reply.Turn, Text: reply.Message.Text(), Message: reply.Message, Ended: reply.Ended,
	})
}
