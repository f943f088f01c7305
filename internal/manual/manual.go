// Package manual writes what packages of the programs bring along beside them: man pages,
// and completion for shells. Both come from the commands themselves, so they say what the
// help says.
package manual

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A Program is one whose flags are its whole command line.
type Program struct {
	// Name is the program's in packages: "parley-worker".
	Name string
	// Title says in a few words what it does.
	Title string
	// Help is the text of --help, whose lines "  --flag …" describe the flags.
	Help string
	// Flags are all it takes.
	Flags *pflag.FlagSet
}

// Run does what args ask for, if they ask for something of this package:
//
//	completion bash|zsh|fish|powershell
//	manual DIR
//
// handled is false for every other command line.
func (p Program) Run(args []string, stdout, stderr io.Writer) (handled bool, err error) {
	if len(args) == 0 {
		return false, nil
	}
	switch args[0] {
	case "completion", "manual", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd:
	default:
		return false, nil
	}
	root := p.command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return true, root.Execute()
}

// command is the program as the library that completes command lines knows it.
func (p Program) command() *cobra.Command {
	p.describe()
	root := &cobra.Command{
		Use: p.Name, Short: p.Title, Long: p.Help, SilenceErrors: true, SilenceUsage: true, Args: cobra.NoArgs,
		Run:               func(*cobra.Command, []string) {}, // its flags are completed, not only its commands
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	root.Flags().AddFlagSet(p.Flags)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	root.AddCommand(&cobra.Command{
		Use: "manual DIR", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return p.Write(args[0]) },
	})
	return root
}

// flagLine begins the description of a flag in a help text.
var flagLine = regexp.MustCompile(`(?m)^  (?:-\w, )?--([a-z-]+)(?: \S+)* {2,}(.*)$`)

// describe gives the flags the descriptions of the help text.
func (p Program) describe() {
	for _, m := range flagLine.FindAllStringSubmatch(p.Help, -1) {
		if f := p.Flags.Lookup(m[1]); f != nil && f.Usage == "" {
			f.Usage = m[2]
		}
	}
}

// Write writes the man page and the completions into the folders man and completion of
// dir.
func (p Program) Write(dir string) error {
	return errors.Join(
		write(filepath.Join(dir, "man", p.Name+".1"), func(w io.Writer) error {
			_, err := io.WriteString(w, page{name: p.Name, title: p.Title, text: p.Help}.String())
			return err
		}),
		completions(p.command(), dir),
	)
}

// Tree writes a man page for every command of a tree that is not hidden, and the
// completions.
func Tree(root *cobra.Command, title, dir string) error {
	errs := []error{completions(root, dir)}
	for _, cmd := range visible(root) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		about := title
		if cmd != root {
			about = firstSentence(cmd.Long)
		}
		errs = append(errs, write(filepath.Join(dir, "man", name+".1"), func(w io.Writer) error {
			var text strings.Builder
			cmd.SetOut(&text)
			defer cmd.SetOut(nil)
			if err := cmd.Help(); err != nil {
				return err
			}
			_, err := io.WriteString(w, page{name: name, title: about, text: text.String()}.String())
			return err
		}))
	}
	return errors.Join(errs...)
}

// visible are a command and those below it, without the hidden ones.
func visible(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, below := range cmd.Commands() {
		if !below.Hidden && below.Name() != "completion" {
			all = append(all, visible(below)...)
		}
	}
	return all
}

// firstSentence is what a help text says in its first line, without the command's name.
func firstSentence(text string) string {
	line, _, _ := strings.Cut(strings.Join(strings.Fields(text), " "), ". ")
	line, _, _ = strings.Cut(line, ": ")
	_, line, _ = strings.Cut(line, " ")
	return strings.TrimSuffix(line, ".")
}

// completions writes them under the names that shells look for.
func completions(root *cobra.Command, dir string) error {
	dir = filepath.Join(dir, "completion")
	return errors.Join(
		write(filepath.Join(dir, root.Name()+".bash"), func(w io.Writer) error { return root.GenBashCompletionV2(w, true) }),
		write(filepath.Join(dir, "_"+root.Name()), root.GenZshCompletion),
		write(filepath.Join(dir, root.Name()+".fish"), func(w io.Writer) error { return root.GenFishCompletion(w, true) }),
		write(filepath.Join(dir, root.Name()+".ps1"), root.GenPowerShellCompletionWithDesc),
	)
}

func write(path string, f func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // everybody reads manuals
		return err
	}
	file, err := os.Create(path) //nolint:gosec // the path is the packager's
	if err != nil {
		return err
	}
	if err := errors.Join(f(file), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
