package command

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/manual"
	"github.com/parley-run/parley/internal/version"
)

// run is the command as a function. It returns the exit code.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	s := &starter{environ: environ, stdin: stdin, stdout: stdout, stderr: stderr, dial: connect.Dial}
	defer s.close()
	return s.run(ctx, args)
}

func (s *starter) run(ctx context.Context, args []string) int {
	root := s.command()
	root.SetArgs(args)
	root.SetIn(s.stdin)
	root.SetOut(s.stdout)
	root.SetErr(s.stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && !s.began {
		err = usage(err) // cobra's: an unknown command or flag, arguments that do not fit
	}
	code := exitCode(ctx, err)
	if ctx.Err() == nil {
		for _, line := range message(err) {
			s.say("starter: %s", line)
		}
	}
	return code
}

// command is the whole tree.
func (s *starter) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "starter",
		Long:          rootHelp,
		Version:       version.Line(manual.Called("starter")),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return s.flags.validate()
		},
	}
	root.SetHelpTemplate(helpTemplate)
	root.SetUsageTemplate(helpTemplate)
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w: `%s --help` lists the flags", err, cmd.CommandPath())
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true}) // --help replaces it
	s.flags.register(root.PersistentFlags())
	root.AddCommand(
		s.runCommand(), s.listCommand(), s.showCommand(), s.watchCommand(), s.uiCommand(),
		s.endCommand(), s.pauseCommand(), s.resumeCommand(), s.takeoverCommand(), s.approveCommand(), s.auditCommand(), s.eraseCommand(),
		s.reportCommand(), s.exportCommand(),
		s.chatCommand(), s.sendCommand(),
		s.scheduleCommand(),
		s.inboxCommand(), s.deployCommand(), s.moveCommand(), s.executorsCommand(), s.initCommand(), s.doctorCommand(), s.setupCommand(), s.codecServerCommand(),
	)
	manual.Rename(root, manual.Called("starter"))
	root.AddCommand(s.manualCommand())
	return root
}

// manualCommand writes what packages bring along. It is hidden: releases call it.
func (s *starter) manualCommand() *cobra.Command {
	return &cobra.Command{
		Use: "manual DIR", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: s.does(func(_ context.Context, args []string) error {
			root := (&starter{}).command()
			manual.Rename(root, manual.Prefix+"starter")
			root.InitDefaultCompletionCmd()
			return manual.Tree(root, "starts, watches and controls Parley's conversations", args[0])
		}),
	}
}

// does marks the point after which errors are not about usage.
func (s *starter) does(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		s.began = true
		return f(cmd.Context(), args)
	}
}

// oneConversation is for commands about a single one.
func oneConversation(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s takes one conversation: `%s --help` says how", cmd.Name(), cmd.CommandPath())
	}
	return nil
}

// noArguments is for commands that take none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no arguments, but got %q: `%s --help` says how", cmd.Name(), args[0], cmd.CommandPath())
	}
	return nil
}
