package iii_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

// One worker passes an end of a channel to another inside of the data of a call.
func TestChannels(t *testing.T) {
	t.Parallel()
	eachEra(t, func(t *testing.T, e *iiitest.Engine, _ iii.Era) {
		server := connect(t, e, iii.Options{Name: "server"})
		serve(t, e, server, "t::upper", func(ctx context.Context, call iii.Invocation) (any, error) {
			var in struct {
				Input iii.ChannelRef
				Deep  []map[string]iii.ChannelRef
			}
			if err := call.Decode(&in); err != nil {
				return nil, err
			}
			r, err := server.OpenReader(ctx, in.Input)
			if err != nil {
				return nil, err
			}
			w, err := server.OpenWriter(ctx, in.Deep[0]["output"])
			if err != nil {
				return nil, err
			}
			for {
				item, err := r.Next()
				switch {
				case errors.Is(err, io.EOF):
					return nil, w.Close()
				case err != nil:
					return nil, err
				case item.Message:
					err = w.SendMessage("heard " + string(item.Data))
				default:
					_, err = w.Write(bytes.ToUpper(item.Data))
				}
				if err != nil {
					return nil, err
				}
			}
		})
		client := connect(t, e, iii.Options{Name: "client"})
		there, err := client.CreateChannel(soon(t), 2)
		require.NoError(t, err)
		back, err := client.CreateChannel(soon(t), 0)
		require.NoError(t, err)
		require.Equal(t, map[string]any{"buffer_size": 2.0}, createdWith(t, e, 0))
		require.Equal(t, map[string]any{}, createdWith(t, e, 1), "the engine's default")

		answer := make(chan error, 1)
		go func() {
			_, err := client.Invoke(soon(t), "t::upper", map[string]any{
				"input": there.Reader, "deep": []any{map[string]any{"output": back.Writer}},
			})
			answer <- err
		}()
		text := strings.Repeat("abc", 100_000) // some frames
		w, err := client.OpenWriter(soon(t), there.Writer)
		require.NoError(t, err)
		sent := make(chan error, 1)
		go func() {
			_, err := io.WriteString(w, text)
			sent <- errors.Join(w.SendMessage(`{"n":1}`), w.SendMessage("ünïcode ☂"), err, w.Close())
		}()
		r, err := client.OpenReader(soon(t), back.Reader)
		require.NoError(t, err)
		var messages []string
		r.OnMessage = func(m string) { messages = append(messages, m) }
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, strings.ToUpper(text), string(got))
		require.Equal(t, []string{`heard {"n":1}`, "heard ünïcode ☂"}, messages)
		require.NoError(t, <-sent)
		require.NoError(t, <-answer)
		_, err = r.Next()
		require.ErrorIs(t, err, io.EOF, "again")
		until(t, e, "nothing is left", func() bool { return e.Channels() == 0 })
	})
}

// createdWith is the data of a worker's call that made a channel.
func createdWith(t *testing.T, e *iiitest.Engine, nth int) any {
	t.Helper()
	for _, f := range e.FromWorkers("") {
		var fields map[string]any
		require.NoError(t, json.Unmarshal(f.Raw, &fields))
		if fields["function_id"] != "engine::channels::create" {
			continue
		}
		if nth == 0 {
			return fields["data"]
		}
		nth--
	}
	require.Fail(t, "no such call")
	return nil
}

// channel makes one, on an engine and a worker of its own.
func channel(t *testing.T, buffer int) (*iiitest.Engine, *iii.Worker, iii.Channel) {
	t.Helper()
	e := engine(t, iiitest.Options{})
	w := connect(t, e, iii.Options{})
	c, err := w.CreateChannel(soon(t), buffer)
	require.NoError(t, err)
	return e, w, c
}

// The frames as they are: text for messages, binary of at most 64 KiB for bytes.
func TestChannelFrames(t *testing.T) {
	t.Parallel()
	e, w, c := channel(t, 64)
	query := url.Values{"key": {c.Reader.AccessKey}, "dir": {"read"}}
	raw, _, err := websocket.Dial(soon(t), e.URL()+"ws/channels/"+c.Reader.ChannelID+"?"+query.Encode(), nil)
	require.NoError(t, err)
	defer func() { _ = raw.CloseNow() }()
	raw.SetReadLimit(1 << 20)
	out, err := w.OpenWriter(soon(t), c.Writer)
	require.NoError(t, err)
	stream := make([]byte, 150<<10)
	_, _ = rand.Read(stream)
	n, err := out.Write(stream)
	require.NoError(t, err)
	require.Equal(t, len(stream), n)
	_, err = out.Write(nil)
	require.NoError(t, err)
	require.NoError(t, out.SendMessage("m"))
	require.ErrorContains(t, out.SendMessage("\xff"), "UTF-8")
	closed := make(chan error, 1)
	go func() { closed <- out.Close() }()
	var sizes []int
	var got []byte
	for range 3 {
		kind, piece, err := raw.Read(soon(t))
		require.NoError(t, err)
		require.Equal(t, websocket.MessageBinary, kind)
		sizes, got = append(sizes, len(piece)), append(got, piece...)
	}
	require.Equal(t, []int{64 << 10, 64 << 10, 22 << 10}, sizes)
	require.Equal(t, stream, got)
	kind, piece, err := raw.Read(soon(t))
	require.NoError(t, err)
	require.Equal(t, websocket.MessageText, kind)
	require.Equal(t, "m", string(piece))
	_, _, err = raw.Read(soon(t))
	require.NotEqual(t, websocket.StatusCode(-1), websocket.CloseStatus(err), "a Close ends it")
	require.NoError(t, <-closed)
	require.NoError(t, out.Close(), "again")
	_, err = out.Write([]byte("more"))
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestChannelEndsOpenOnce(t *testing.T) {
	t.Parallel()
	_, w, c := channel(t, 0)
	first, err := w.OpenReader(soon(t), c.Reader)
	require.NoError(t, err)
	second, err := w.OpenReader(soon(t), c.Reader)
	require.NoError(t, err)
	_, err = second.Next()
	require.ErrorIs(t, err, io.EOF, "the engine closes it at once")

	out, err := w.OpenWriter(soon(t), c.Writer)
	require.NoError(t, err)
	other, err := w.OpenWriter(soon(t), c.Writer)
	require.NoError(t, err)
	require.ErrorIs(t, other.Close(), io.ErrClosedPipe, "nothing of it has been taken")
	_, err = other.Write([]byte("x"))
	require.ErrorIs(t, err, io.ErrClosedPipe)

	require.NoError(t, out.SendMessage("still ours"))
	item, err := first.Next()
	require.NoError(t, err)
	require.Equal(t, iii.ChannelItem{Message: true, Data: []byte("still ours")}, item)
	require.NoError(t, out.Close())
}

func TestNoSuchChannel(t *testing.T) {
	t.Parallel()
	e, w, c := channel(t, 0)
	wrong := c.Reader
	wrong.AccessKey = "s3cret-guess"
	_, err := w.OpenReader(soon(t), wrong)
	require.ErrorIs(t, err, iii.ErrNotFound)
	unknown := c.Writer
	unknown.ChannelID = "../../x?dir=read&"
	_, err = w.OpenWriter(soon(t), unknown)
	require.ErrorIs(t, err, iii.ErrNotFound)
	_, err = w.OpenWriter(soon(t), c.Reader)
	require.ErrorContains(t, err, "not a complete reference to write")
	_, err = w.OpenReader(soon(t), iii.ChannelRef{})
	require.Error(t, err)
	e.Stop()
	_, err = w.OpenReader(soon(t), c.Reader)
	require.Error(t, err)
	for _, shown := range []string{
		err.Error(), fmt.Sprintf("%v %+v %#v %s", c, c, c, c.Reader),
	} {
		require.NotContains(t, shown, c.Reader.AccessKey)
	}
}

func TestChannelCancel(t *testing.T) {
	t.Parallel()
	_, w, c := channel(t, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	r, err := w.OpenReader(ctx, c.Reader)
	require.NoError(t, err)
	waiting := make(chan error, 1)
	go func() { _, err := r.Read(make([]byte, 1)); waiting <- err }()
	enough := errors.New("enough")
	cancel(enough)
	require.ErrorIs(t, <-waiting, enough)

	// The writer notices, once it writes on.
	out, err := w.OpenWriter(soon(t), c.Writer)
	require.NoError(t, err)
	for err == nil {
		_, err = out.Write(make([]byte, 64<<10))
	}
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.Error(t, out.Close())

	// A writer without a reader waits, and can be cancelled.
	c, err = w.CreateChannel(soon(t), 1)
	require.NoError(t, err)
	ctx, cancel = context.WithCancelCause(t.Context())
	out, err = w.OpenWriter(ctx, c.Writer)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, out.SendMessage("x")) // the network holds it
	}
	go func() { waiting <- out.Close() }()
	cancel(enough)
	require.ErrorIs(t, <-waiting, enough)

	// The worker's end is the end of its channels.
	c, err = w.CreateChannel(soon(t), 1)
	require.NoError(t, err)
	r, err = w.OpenReader(t.Context(), c.Reader)
	require.NoError(t, err)
	go func() { _, err := r.Next(); waiting <- err }()
	w.Close()
	require.ErrorIs(t, <-waiting, iii.ErrClosed)
	_, err = w.OpenReader(t.Context(), c.Reader)
	require.ErrorIs(t, err, iii.ErrClosed)
}

func TestCloseWaitsForTheReader(t *testing.T) {
	t.Parallel()
	bubble(t, iiitest.Options{}, func(t *testing.T, e *iiitest.Engine) {
		w := dial(t, e, iii.Options{})
		defer w.Close()
		c, err := w.CreateChannel(t.Context(), 1)
		require.NoError(t, err)
		out, err := w.OpenWriter(t.Context(), c.Writer)
		require.NoError(t, err)
		r, err := w.OpenReader(t.Context(), c.Reader)
		require.NoError(t, err)
		closed := make(chan error, 1)
		go func() {
			for range 10 {
				if _, err := out.Write([]byte("0123456789")); err != nil {
					closed <- err
				}
			}
			closed <- out.Close()
		}()
		time.Sleep(time.Minute) // the bubble's time
		synctest.Wait()
		require.Empty(t, closed)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Len(t, got, 100)
		require.NoError(t, <-closed)
	})
}

func TestChannelConnectionLost(t *testing.T) {
	t.Parallel()
	e, w, c := channel(t, 0)
	r, err := w.OpenReader(t.Context(), c.Reader)
	require.NoError(t, err)
	out, err := w.OpenWriter(t.Context(), c.Writer)
	require.NoError(t, err)
	_, err = out.Write([]byte("half of"))
	require.NoError(t, err)
	part := make([]byte, 4)
	_, err = io.ReadFull(r, part)
	require.NoError(t, err)
	item, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, iii.ChannelItem{Data: []byte(" of")}, item, "what Read has left")
	e.Stop()
	_, err = r.Next()
	require.ErrorIs(t, err, iii.ErrConnectionLost)
	require.NotErrorIs(t, err, io.EOF)
	require.Error(t, out.Close())
	require.NoError(t, r.Close())
}

func TestUnopenedChannelsEnd(t *testing.T) {
	t.Parallel()
	bubble(t, iiitest.Options{}, func(t *testing.T, e *iiitest.Engine) {
		w := dial(t, e, iii.Options{})
		defer w.Close()
		c, err := w.CreateChannel(t.Context(), 0)
		require.NoError(t, err)
		r, err := w.OpenReader(t.Context(), c.Reader)
		require.NoError(t, err)
		_, err = r.Next()
		require.ErrorIs(t, err, io.EOF, "after five minutes without a writer")
		_, err = w.OpenWriter(t.Context(), c.Writer)
		require.ErrorIs(t, err, iii.ErrNotFound)

		c, err = w.CreateChannel(t.Context(), 0)
		require.NoError(t, err)
		other := dial(t, e, iii.Options{Name: "other"})
		defer other.Close()
		require.NoError(t, other.WaitConnected(t.Context()))
		w.Close()
		synctest.Wait()
		_, err = other.OpenWriter(t.Context(), c.Writer)
		require.ErrorIs(t, err, iii.ErrNotFound, "its maker has gone")
	})
}

func TestChannelRefsInAnyData(t *testing.T) {
	t.Parallel()
	ref := func(id, direction string) string {
		return `{"channel_id":"` + id + `","access_key":"k","direction":"` + direction + `"}`
	}
	read, write := iii.ChannelRef{"a", "k", "read"}, iii.ChannelRef{"b", "k", "write"}
	for _, c := range []struct {
		data string
		want map[string]iii.ChannelRef
	}{
		{`{"in":` + ref("a", "read") + `,"n":[1,{"x/y~":` + ref("b", "write") + `}]}`,
			map[string]iii.ChannelRef{"/in": read, "/n/1/x~1y~0": write}},
		{`{"channel_id":"a","access_key":"k","direction":"read","_caller_worker_id":"w"}`, map[string]iii.ChannelRef{"": read}},
		{ref("a", "sideways"), map[string]iii.ChannelRef{}},
		{`{"channel_id":"a","access_key":7,"direction":"read"}`, map[string]iii.ChannelRef{}},
		{`"text"`, map[string]iii.ChannelRef{}},
		{`nonsense`, map[string]iii.ChannelRef{}},
		{``, map[string]iii.ChannelRef{}},
	} {
		require.Equal(t, c.want, iii.ChannelRefs(json.RawMessage(c.data)), c.data)
	}
	encoded, err := json.Marshal(read)
	require.NoError(t, err)
	require.JSONEq(t, ref("a", "read"), string(encoded))
}
