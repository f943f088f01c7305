package mcp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/stretchr/testify/require"
)

// maxFor is what may be built from an input: texts may become longer as JSON, and a part
// of an answer may be repeated beside what says what is wrong with it.
func maxFor(n int) int { return 8*n + 16<<10 }

const (
	// inputLimit keeps inputs small, so that the bounds are the parsers' own.
	inputLimit = 1 << 20
	// memoryFor bounds what reading an input allocates.
	memoryFor = 200
	baseline  = 4 << 20
	slowest   = 30 * time.Second
)

// bounded runs a parser and requires that it takes little time and memory for n bytes.
func bounded(t *testing.T, n int, parse func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	parse()
	took := time.Since(begun)
	runtime.ReadMemStats(&after)
	require.Less(t, took, slowest)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(memoryFor*n+baseline))
}

func seeds(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob("testdata/answers/*")
	if err != nil || len(files) == 0 {
		f.Fatal("there are no seeds in testdata/answers", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

// Whatever a message is, it is read within bounds, and what the model receives of it is
// text of bounded length.
func FuzzAnswer(f *testing.F) {
	seeds(f)
	call, err := jsonrpc.MakeID(float64(7))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > inputLimit {
			return
		}
		bounded(t, len(data), func() {
			opened, ok := open(data)
			if !ok {
				result, renew := unreadable(data)
				require.True(t, result.IsError)
				require.False(t, renew)
				require.LessOrEqual(t, len(result.Content), maxOdd+200)
				return
			}
			require.LessOrEqual(t, len(opened), len(data))
			for _, e := range opened {
				if !e.isAnswer() {
					_, _ = e.decoded()
					continue
				}
				d := &delivery{}
				message := e.response(call, d)
				_, err := jsonrpc.EncodeMessage(message)
				require.NoError(t, err)
				if result := d.answer(); result != nil {
					require.True(t, utf8.ValidString(result.Content))
					require.LessOrEqual(t, len(result.Content), maxFor(len(data)))
				} else {
					require.Error(t, message.Error, "it is rejected, and not lost")
				}
				out := (&oddTools{logger: slog.New(slog.DiscardHandler), clean: func(s string) string { return s }}).response(e, call, nil)
				if out.Error == nil && json.Valid(data) {
					require.True(t, json.Valid(out.Result) || out.Result == nil)
				}
			}
		})
	})
}

// All lines of a program's output are read, in order, and nothing is kept of them.
func FuzzLines(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > inputLimit {
			return
		}
		bounded(t, len(data), func() {
			r, total := bufio.NewReaderSize(bytes.NewReader(data), 64), 0
			for {
				l, err := readLine(r)
				if err != nil {
					break
				}
				require.NotEmpty(t, l.text)
				require.Empty(t, l.answers, "only what is too large is not kept")
				total += len(l.text)
			}
			require.LessOrEqual(t, total, len(data))
			require.Equal(t, len(data), total)
			scanner := &idScanner{}
			scanner.scan(data)
			require.LessOrEqual(t, len(scanner.id), maxIDDigits)
			require.LessOrEqual(t, len(scanner.word), len("id")+1)
		})
	})
}

// A stream of events ends, and gives no more than it has.
func FuzzEvents(f *testing.F) {
	seeds(f)
	call, err := jsonrpc.MakeID(float64(7))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > inputLimit {
			return
		}
		bounded(t, len(data), func() {
			events, total, count := newEvents(bytes.NewReader(data)), 0, 0
			for {
				event, err := events.next()
				total += len(event)
				count++
				if err != nil {
					break
				}
			}
			require.LessOrEqual(t, total, len(data)+1)
			require.LessOrEqual(t, count, len(data)+1)
		})
		g := &guard{clean: func(s string) string { return s }, odd: &oddTools{logger: slog.New(slog.DiscardHandler), clean: func(s string) string { return s }}}
		for _, kind := range []string{"text/event-stream", "application/json", "text/plain"} {
			bounded(t, len(data), func() {
				d := &delivery{}
				message, err := g.read(&http.Response{
					StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {kind}}, ContentLength: -1, ProtoMajor: 2,
					Body: readCloser{bytes.NewReader(data)},
				}, call, d)
				require.Equal(t, err == nil, message != nil)
				if d.answer() != nil {
					require.NoError(t, err, "what arrived is not lost")
				}
			})
		}
	})
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }
