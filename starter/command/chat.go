package command

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/internal/chat"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/records"
)

type chatFlags struct {
	directFlags
	noHistory bool
}

func (s *starter) chatCommand() *cobra.Command {
	var f chatFlags
	cmd := &cobra.Command{
		Use: "chat [AGENT]", Long: chatHelp, Example: chatExample, Args: cobra.MaximumNArgs(1),
		RunE: s.does(func(ctx context.Context, args []string) error {
			agent := ""
			if len(args) == 1 {
				agent = args[0]
			}
			return s.chat(ctx, agent, f)
		}),
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVar(&f.noHistory, "no-history", false, "do not save typed lines in a file")
	return cmd
}

func (s *starter) chat(ctx context.Context, agent string, f chatFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	o, direct, err := s.connectDirect(ctx, agent, f.directFlags)
	if err != nil {
		return err
	}
	t := &talk{s: s, o: o, direct: direct, ref: direct.Input.Ref}
	// The earlier messages, if there are any.
	if f.id != "" || f.resume != "" {
		bounded, cancel := s.bounded(ctx)
		record, err := o.Show(bounded, t.id())
		cancel()
		switch {
		case err == nil:
			t.before = &record
		case records.KindOf(err) != records.NotFound:
			return err
		}
	}
	talking := ctx
	if s.flags.timeoutGiven() && s.flags.timeout > 0 {
		var cancel context.CancelFunc
		talking, cancel = context.WithTimeout(ctx, s.flags.timeout)
		defer cancel()
	}
	in, out, interactive := chat.IsTerminal(s.stdin, s.stdout)
	if !interactive || s.inJSON() {
		t.conversation = chat.New(talking, o, direct)
		defer t.conversation.Close()
		return t.lines(talking)
	}
	t.conversation = chat.New(ctx, o, direct)
	defer t.conversation.Close()
	history, err := chat.LoadHistory(s.historyFile(f.noHistory))
	if err != nil {
		s.say("The history of typed lines cannot be read: %v", err)
	}
	lookup := connect.LookupIn(s.environ)
	terminal, _ := lookup("TERM")
	noColour, _ := lookup("NO_COLOR")
	calm := terminal == "dumb"
	t.styles = styles{colour: noColour == "" && !calm}
	if t.screen, err = chat.OpenScreen(in, out, history, calm); err != nil {
		return err
	}
	stopped := t.interactive(ctx)
	err = t.screen.Close()
	t.farewell(stopped)
	if !errors.Is(stopped, errLeft) && !errors.Is(stopped, errEnded) {
		err = stopped
	}
	return err
}

// agentOf is the chosen agent, by its name or by the id of a conversation.
func agentOf(name, id string) string {
	if rest, whole := strings.CutPrefix(id, launch.DirectPlatform+"/"); whole && name == "" {
		name, _, _ = strings.Cut(rest, "/")
	}
	return name
}

// historyFile is the path of the saved lines. Empty: none.
func (s *starter) historyFile(none bool) string {
	if none {
		return ""
	}
	lookup := connect.LookupIn(s.environ)
	for _, home := range []struct{ variable, below string }{
		{"XDG_STATE_HOME", ""}, {"LOCALAPPDATA", ""}, {"HOME", filepath.Join(".local", "state")},
	} {
		if dir, _ := lookup(home.variable); filepath.IsAbs(dir) {
			return filepath.Join(dir, home.below, "parley", "chat_history")
		}
	}
	return ""
}
