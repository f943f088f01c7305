package program_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/program"
	"github.com/parley-run/parley/internal/program/programtest"
	"github.com/parley-run/parley/internal/settings"
	"github.com/parley-run/parley/secret"
)

func TestMain(m *testing.M) {
	programtest.Main(m, map[string]func([]string) error{
		// repeats answers each line with the same.
		"repeats": repeat,
		// deaf never reads.
		"deaf": func([]string) error { select {} },
		// late reads only once it is told to, by the roll at its argument.
		"late": func(args []string) error {
			conn, err := net.Dial("unix", args[0])
			if err != nil {
				return err
			}
			_, _ = conn.Read(make([]byte, 1))
			_, err = io.Copy(io.Discard, os.Stdin)
			return err
		},
		// complains writes its first argument to its standard error, and fails.
		"complains": func(args []string) error { return errors.New(args[0]) },
		"exits":     func([]string) error { return nil },
		// floods writes much to its standard error, and fails.
		"floods": func([]string) error {
			line := []byte(strings.Repeat("x", 200) + "\n")
			for range 100_000 {
				_, _ = os.Stderr.Write(line)
			}
			return errors.New("my last words")
		},
		"family": programtest.Family(func() error { return repeat(nil) }),
		"child":  programtest.Child,
	})
}

func repeat([]string) error {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		_, _ = fmt.Println(in.Text())
	}
	return nil
}

// start starts one of the test's programs, and hands out what it logs once it is
// gone.
func start(t *testing.T, name string, args ...string) (p *program.Process, log func() string) {
	t.Helper()
	var buffer bytes.Buffer
	env := []string{programtest.Variable + "=" + name}
	if testing.CoverMode() != "" { // else the programs complain on their standard error
		env = append(env, "GOCOVERDIR="+t.TempDir())
	}
	p, err := program.Start(program.Command{
		Args: append([]string{os.Args[0]}, args...), Env: env,
		Logger: slog.New(slog.NewTextHandler(&buffer, nil)), Says: "it says",
		Clean: func(line []byte) string { return strings.ReplaceAll(string(line), "hidden", "") },
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		p.Stop(0, 0)
		<-p.Gone()
		_ = p.Stdout.Close()
	})
	return p, func() string {
		<-p.Gone()
		return buffer.String()
	}
}

func TestTalk(t *testing.T) {
	t.Parallel()
	p, log := start(t, "repeats")
	out := bufio.NewReader(p.Stdout)
	for _, line := range []string{"one\n", "two\n"} {
		n, err := p.Write(t.Context(), []byte(line))
		require.NoError(t, err)
		require.Equal(t, len(line), n)
		got, err := out.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, line, got)
	}
	p.Stop(time.Hour, time.Hour) // it ends when its standard input does
	<-p.Ended()
	_, err := out.ReadString('\n')
	require.ErrorIs(t, err, io.EOF)
	require.EqualError(t, p.Exit(), "the program ended: exit status 0")
	require.True(t, p.Stopped())
	require.Empty(t, log())
}

// A write without a reader ends with its context, and affects no other.
func TestWriteIsGivenUp(t *testing.T) {
	t.Parallel()
	r := programtest.NewRoll(t)
	p, _ := start(t, "late", r.Path)
	conn := r.Next(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n, err := p.Write(ctx, bytes.Repeat([]byte("x"), 1<<20))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Less(t, n, 1<<20)

	_, err = conn.Write([]byte("!"))
	require.NoError(t, err)
	n, err = p.Write(t.Context(), bytes.Repeat([]byte("y"), 1<<20))
	require.NoError(t, err)
	require.Equal(t, 1<<20, n)
}

func TestExit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		program    string
		args       []string
		want, logs string
	}{
		"Well":     {"exits", nil, "the program ended: exit status 0", ""},
		"Badly":    {"complains", []string{"no licence"}, "the program ended: exit status 3: no licence", `msg="it says" pid=PID line="no licence"`},
		"Cleaned":  {"complains", []string{"a hiddenb"}, "the program ended: exit status 3: a b", `line="a b"`},
		"LeftOut":  {"complains", []string{"hidden"}, "the program ended: exit status 3", ""},
		"LongLine": {"complains", []string{strings.Repeat("x", 10<<10) + "\nlast"}, "the program ended: exit status 3: last", "line=last"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, log := start(t, c.program, c.args...)
			require.EqualError(t, p.Exit(), c.want)
			require.False(t, p.Stopped())
			got := log()
			require.Contains(t, got, strings.ReplaceAll(c.logs, "PID", fmt.Sprint(p.PID())))
			require.Equal(t, c.logs == "", got == "", "%s", got)
			require.Less(t, len(got), 6<<10, "the rest of a long line is dropped")
		})
	}
}

func TestNotStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plain.txt"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "script"), []byte("print()\n"), 0o700))
	for name, c := range map[string]struct {
		program, dir string
		want         error
		text, remedy string
	}{
		"NoProgram":     {"no-such-program-anywhere", "", program.ErrNone, "executable file not found", "check command and dir"},
		"NoDir":         {"sh", filepath.Join(dir, "none"), program.ErrNone, "is no directory", "check command and dir"},
		"NotExecutable": {"./plain.txt", dir, program.ErrNone, "is not executable", "check command and dir"},
		"NoInterpreter": {"./script", dir, program.ErrStart, "exec format error", "a script needs a first line"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := program.Start(program.Command{Args: []string{c.program}, Dir: c.dir})
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.text)
			require.Contains(t, program.Remedy(err), c.remedy)
		})
	}
	require.Empty(t, program.Remedy(errors.Join(program.ErrStart, errors.New("too many open files"))), "it passes by itself")
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	lookup := func(name string) (string, bool) {
		v, ok := map[string]string{"PATH": "/bin", "HOME": "/root", "EXTRA": "1", "KEY": "2", "OTHER": "3"}[name]
		return v, ok
	}
	own := map[string]secret.String{"KEY": "k", "HOME": "/h"}
	require.Equal(t, []string{"PATH=/bin", "EXTRA=1", "HOME=/h", "KEY=k"}, program.Environment([]string{"EXTRA", "ABSENT"}, own, lookup)())
}

func TestValidate(t *testing.T) {
	t.Parallel()
	var f settings.Faults
	program.Validate([]string{"sh", "-c", "a b"}, map[string]secret.String{"KEY": "x"}, &f)
	require.NoError(t, f.Err())
	program.Validate([]string{"sh", "a\x00b"}, map[string]secret.String{"A-B": "hush", "KEY": "hush\x00"}, &f)
	require.EqualError(t, f.Err(), "command[1] contains a zero byte\nenv.A-B is no name of a variable\nenv.KEY contains a zero byte")
	for line, want := range map[string]bool{"python3 agent.py": true, "python3": false, "/opt/my agent/run": false} {
		require.Equal(t, want, program.IsShellLine([]string{line}), line)
	}
	require.False(t, program.IsShellLine([]string{"a b", "c"}))
}
