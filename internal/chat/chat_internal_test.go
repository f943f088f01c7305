package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/internal/launch"
)

func TestCompose(t *testing.T) {
	t.Parallel()
	type line struct {
		text   string
		pasted bool
	}
	for name, test := range map[string]struct {
		lines []line
		want  Composed
	}{
		"one line":            {[]line{{"hello", false}}, Composed{"hello", true}},
		"a command":           {[]line{{"/help", false}}, Composed{"/help", true}},
		"goes on":             {[]line{{`a\`, false}, {`b\`, false}, {"c", false}}, Composed{"a\nb\nc", false}},
		"pasted":              {[]line{{"a", true}, {"", true}, {"b", false}}, Composed{"a\n\nb", false}},
		"pasted backslashes":  {[]line{{`a\`, true}, {`b\`, false}}, Composed{"a\\\nb\\", false}},
		"pasted with an end":  {[]line{{"a", true}, {"b", true}, {"", false}}, Composed{"a\nb", false}},
		"pasted command":      {[]line{{"/end", true}, {"", false}}, Composed{"/end", false}},
		"fenced":              {[]line{{`"""`, false}, {"a", false}, {`/b\`, false}, {`"""`, false}}, Composed{"a\n/b\\", false}},
		"fenced and pasted":   {[]line{{`"""`, false}, {"a", true}, {`"""`, true}, {`b"""`, false}}, Composed{"a\n\"\"\"\nb", false}},
		"fenced beside text":  {[]line{{`"""a`, false}, {`b"""`, false}}, Composed{"a\nb", false}},
		"fenced on one line":  {[]line{{`"""/a"""`, false}}, Composed{"/a", false}},
		"fence in the middle": {[]line{{`say """`, false}}, Composed{`say """`, true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c Composer
			for i, l := range test.lines {
				got, whole := c.Add(l.text, l.pasted)
				if last := i == len(test.lines)-1; !last {
					require.False(t, whole)
					require.True(t, c.Begun())
					continue
				}
				require.True(t, whole)
				require.Equal(t, test.want, got)
			}
			require.False(t, c.Begun())
		})
	}
	var c Composer
	c.Add(`"""`, false)
	c.Drop()
	got, whole := c.Add("anew", false)
	require.True(t, whole)
	require.Equal(t, Composed{"anew", true}, got)
}

func TestHistory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "parley", "chat_history")
	h, err := LoadHistory(path)
	require.NoError(t, err)
	for _, entry := range []string{"one", "one", "", "two\nlines", "three"} {
		require.NoError(t, h.Remember(entry))
	}
	for _, p := range []struct {
		path string
		mode os.FileMode
	}{{path, 0o600}, {filepath.Dir(path), 0o700 | os.ModeDir}} {
		info, err := os.Stat(p.path)
		require.NoError(t, err)
		require.Equal(t, p.mode, info.Mode())
	}

	h, err = LoadHistory(path)
	require.NoError(t, err)
	require.Equal(t, 3, h.Len())
	require.Equal(t, "three", h.At(0))
	require.Equal(t, "a ⏎ key", h.Meant("a ⏎ key"), "nothing of several lines was recalled")
	require.Equal(t, "two⏎lines", h.At(1))
	require.Equal(t, "two\nlines!", h.Meant("two⏎lines!"))
	require.Equal(t, "one", h.At(2))
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "chat_history")
	require.NoError(t, os.WriteFile(path, []byte("no JSON\n"+strings.Repeat("\"old\"\n", 3*keptEntries)), 0o644))
	h, err := LoadHistory(path)
	require.NoError(t, err)
	require.Equal(t, keptEntries, h.Len())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, keptEntries, strings.Count(string(data), "\n"))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())

	large := strings.Repeat("x", keptBytes/5)
	for i := range 10 {
		require.NoError(t, h.Remember(large+fmt.Sprint(i)))
	}
	require.Equal(t, 4, h.Len())
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestHistoryThatIsNowhere(t *testing.T) {
	t.Parallel()
	h, err := LoadHistory("")
	require.NoError(t, err)
	require.NoError(t, h.Remember("one"))
	require.Equal(t, "one", h.At(0))

	h, err = LoadHistory(t.TempDir()) // a folder
	require.Error(t, err)
	require.NoError(t, h.Remember("one"), "it is said once")
}

// typing is a keyboard on which the chunks are typed.
func typing(chunks ...string) *keyboard {
	in, out := io.Pipe()
	k := newKeyboard(in)
	go func() {
		for _, chunk := range chunks {
			_, _ = out.Write([]byte(chunk))
		}
		_ = out.Close()
	}()
	return k
}

func TestKeyboard(t *testing.T) {
	t.Parallel()
	type read struct {
		text   string
		pasted bool
	}
	for name, test := range map[string]struct {
		chunks []string
		want   []read
	}{
		"a line at a time":   {[]string{"a\rb\rc"}, []read{{"a\r", false}, {"b\r", false}, {"c", false}}},
		"pasted":             {[]string{"x\x1b[200~a\nb\x1b[201~\r"}, []read{{"x\x1b[200~a\n", true}, {"b\x1b[201~\r", false}}},
		"markers in pieces":  {[]string{"\x1b[2", "00~a\r\n", "b\x1b[20", "1~", "\r"}, []read{{"\x1b[2", false}, {"00~a\r", true}, {"b\x1b[20", true}, {"1~", true}, {"\r", false}}},
		"control characters": {[]string{"a\x03b\x04c"}, []read{{"a\x03", false}, {"b\x04", false}, {"c", false}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := typing(test.chunks...)
			defer close(k.stop)
			buffer := make([]byte, 100)
			for _, want := range test.want {
				n, err := k.Read(buffer)
				require.NoError(t, err)
				require.Equal(t, want, read{string(buffer[:n]), k.pasted})
			}
			_, err := k.Read(buffer)
			require.ErrorIs(t, err, io.EOF)
		})
	}
}

func TestTypedAhead(t *testing.T) {
	t.Parallel()
	k := typing("first\rsecond\r", "answer\r")
	defer close(k.stop)
	line := func() string {
		buffer := make([]byte, 100)
		n, err := k.Read(buffer)
		require.NoError(t, err)
		return string(buffer[:n])
	}
	require.Equal(t, "first\r", line())
	k.hold() // a question
	require.Equal(t, "answer\r", line())
	k.apart = false
	require.Equal(t, "second\r", line())

	require.False(t, k.later([]byte("kept")))
	require.Equal(t, "kept", line())
	require.False(t, k.later([]byte("forgotten")))
	require.True(t, k.later([]byte("too\x03not")))
	require.Equal(t, "not", line())

	k.interrupt <- struct{}{}
	_, err := k.Read(make([]byte, 1))
	require.ErrorIs(t, err, ErrInterrupted)
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                         "",
		"one two three":            "one two\nthree",
		"onetwothreefour five":     "onetwothre\nefour five",
		"a\n\n  - one two three x": "a\n\n  - one\ntwo three\nx",
		"日本語日本語 日本語":               "日本語日本\n語 日本語",
		"exactly 10":               "exactly 10",
	} {
		require.Equal(t, want, Wrap(text, 10), text)
	}
	require.Equal(t, "no room for it", Wrap("no room for it", 5))
}

func TestPassing(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		serviceerror.NewUnavailable("gone"), serviceerror.NewDeadlineExceeded("late"), context.DeadlineExceeded,
		serviceerror.NewInternal("a shard moves"), &client.WorkflowUpdateServiceTimeoutOrCanceledError{},
	} {
		require.True(t, passing(fmt.Errorf("conversation: %w", err)), "%v", err)
	}
	for _, err := range []error{
		launch.ErrOver, launch.ErrUnknown, errors.New("declined"), serviceerror.NewNotFound("no"),
		serviceerror.NewPermissionDenied("no", ""), serviceerror.NewInvalidArgument("no"),
		fmt.Errorf("%w: %w", launch.ErrOver, serviceerror.NewUnavailable("gone")),
	} {
		require.False(t, passing(err), "%v", err)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	require.Regexp(t, "^[a-z2-7]{12}$", NewID())
	require.Regexp(t, "^[a-z2-7]{26}$", NewMessageID())
	require.NotEqual(t, NewID(), NewID())
}
