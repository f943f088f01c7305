package private_test

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/process/private"
	"github.com/parley-run/parley/internal/program"
	"github.com/parley-run/parley/internal/program/programtest"
)

const key = "sk-marked-key-0123456789"

func TestMain(m *testing.M) {
	programtest.Main(m, map[string]func([]string) error{
		// holder has a key in its environment and its memory, and starts a reader. With
		// an argument it does not keep them private.
		"holder": func(args []string) error {
			if len(args) == 0 {
				if err := private.Keep(); err != nil {
					return err
				}
			}
			env := program.Environment(nil, nil, os.LookupEnv)()
			p, err := program.Start(program.Command{
				Args: []string{os.Args[0]}, Env: append(env, programtest.Variable+"=reader", "GOCOVERDIR="+os.TempDir()),
				Logger: slog.New(slog.DiscardHandler), Clean: func(line []byte) string { return string(line) },
			})
			if err != nil {
				return err
			}
			_, err = io.Copy(os.Stdout, p.Stdout)
			<-p.Gone()
			return err
		},
		// reader writes all that it can learn of its parent, and its own environment.
		"reader": func([]string) error {
			for _, of := range []string{"environ", "cmdline"} {
				text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", os.Getppid(), of))
				fmt.Printf("%s: %q, %v\n", of, text, err)
			}
			memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", os.Getppid()))
			if err == nil {
				_ = memory.Close()
			}
			fmt.Printf("mem: %v\n", err)
			fmt.Println("own:", strings.Join(os.Environ(), " "))
			// What it needs of its own is there all the same.
			_, err = os.ReadFile("/proc/self/environ")
			fmt.Printf("self: %v\n", err)
			return nil
		},
	})
}

// hold runs a holder as a user without rights, and returns what its child found out.
func hold(t *testing.T, args ...string) string {
	t.Helper()
	binary := os.Args[0]
	if os.Getuid() == 0 { // root reads everything: another user runs a copy
		dir, err := os.MkdirTemp("", "private")
		require.NoError(t, err)
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		require.NoError(t, os.Chmod(dir, 0o755))
		data, err := os.ReadFile(binary)
		require.NoError(t, err)
		binary = filepath.Join(dir, "holder")
		require.NoError(t, os.WriteFile(binary, data, 0o755))
	}
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), programtest.Variable + "=holder", "OPENAI_API_KEY=" + key, "GOCOVERDIR=" + os.TempDir()}
	if os.Getuid() == 0 {
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// A program that a worker starts finds no key of the worker's: not in its own
// environment, and not in the worker's.
func TestChildrenFindNoKey(t *testing.T) {
	t.Parallel()
	require.Contains(t, hold(t, "open"), key, "the test would notice")
	got := hold(t)
	require.NotContains(t, got, key)
	require.Contains(t, got, "environ: \"\", open /proc/")
	require.Contains(t, got, "mem: open /proc/")
	require.Contains(t, got, "self: <nil>")
}
