package modelstandin

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// unkind answers with next, delayed and in pieces, as services and proxies do.
func unkind(next http.Handler, l Lenient) http.Handler {
	var answers atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !l.Connections && answers.Add(1)%closesEvery == 0 {
			w.Header().Set("Connection", "close")
		}
		u := &unkindWriter{ResponseWriter: w, lenient: l, ctx: r.Context()}
		next.ServeHTTP(u, r)
	})
}

// An unkindWriter delays an answer's first byte and sends the answer in pieces.
type unkindWriter struct {
	http.ResponseWriter
	lenient Lenient
	ctx     context.Context
	began   bool
	stream  bool
	pieces  int
}

// Unwrap is for [http.ResponseController].
func (u *unkindWriter) Unwrap() http.ResponseWriter { return u.ResponseWriter }

func (u *unkindWriter) WriteHeader(status int) {
	if !u.began {
		u.began = true
		u.stream = strings.HasPrefix(u.Header().Get("Content-Type"), "text/event-stream")
		if !u.lenient.Pace {
			u.pause(firstByte)
		}
	}
	u.ResponseWriter.WriteHeader(status)
	if !u.lenient.Length && status != http.StatusNoContent {
		u.Flush() // from here on the server cannot send the length
	}
	if u.stream && !u.lenient.Streams {
		_, _ = u.ResponseWriter.Write([]byte(": keep-alive\r\n\r\n"))
		u.Flush()
	}
}

func (u *unkindWriter) Write(data []byte) (int, error) {
	if !u.began {
		u.WriteHeader(http.StatusOK)
	}
	if !u.stream || u.lenient.Streams {
		return u.ResponseWriter.Write(data)
	}
	for _, piece := range cut(withCRLF(data)) {
		if _, err := u.ResponseWriter.Write(piece); err != nil {
			return 0, err
		}
		u.Flush()
		if u.pieces++; u.pieces < separated {
			u.pause(betweenPieces)
		}
	}
	if bytes.HasSuffix(data, []byte("\n\n")) {
		_, err := u.ResponseWriter.Write([]byte(": keep-alive\r\n\r\n"))
		return len(data), err
	}
	return len(data), nil
}

func (u *unkindWriter) Flush() {
	if f, ok := u.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

func (u *unkindWriter) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-u.ctx.Done():
	}
}

func withCRLF(data []byte) []byte {
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
}

// cut cuts an event within its first line, within its first character of more than
// one byte, and within its last line's end.
func cut(data []byte) [][]byte {
	var out [][]byte
	at := 0
	add := func(to int) {
		if to > at && to < len(data) {
			out = append(out, data[at:to])
			at = to
		}
	}
	add(min(3, len(data)/2))
	if i := bytes.IndexFunc(data, func(r rune) bool { return r >= utf8.RuneSelf }); i >= 0 {
		add(i + 1)
	} else {
		add(len(data) / 2)
	}
	add(len(data) - 1)
	return append(out, data[at:])
}
