package tools_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/toolstest"
)

func fake(names ...string) *toolstest.Fake {
	f := &toolstest.Fake{Tools: []conversation.Tool{}}
	for _, name := range names {
		f.Tools = append(f.Tools, toolstest.Tool(name))
	}
	return f
}

func names(offered []tools.Offered) []string {
	out := make([]string, 0, len(offered))
	for _, o := range offered {
		out = append(out, o.Tool.Name)
	}
	return out
}

func TestOffer(t *testing.T) {
	t.Parallel()
	r := tools.NewRegistry()
	defer func() { _ = r.Close() }()
	require.NoError(t, r.Add("orders", fake("refund", "find", "delete"), tools.Rules{
		Allow: []string{"find", "refund"}, Ask: []string{"refund"}, Timeout: time.Second,
	}))
	require.NoError(t, r.Add("mail", fake("send"), tools.Rules{Ask: []string{"*"}}))
	require.NoError(t, r.Add("other", fake("unused"), tools.Rules{}))

	offered, err := r.Offer(t.Context(), []string{"orders", "mail", "orders"})
	require.NoError(t, err)
	for i := range offered {
		require.Len(t, offered[i].Digest, 32)
		offered[i].Digest = ""
	}
	require.Equal(t, []tools.Offered{
		{Tool: toolstest.Tool("find"), Set: "orders", Name: "find", Timeout: time.Second},
		{Tool: toolstest.Tool("refund"), Set: "orders", Name: "refund", Ask: true, Timeout: time.Second},
		{Tool: toolstest.Tool("send"), Set: "mail", Name: "send", Ask: true, Timeout: tools.DefaultTimeout},
	}, offered)

	offered, err = r.Offer(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, offered)

	for _, c := range []struct{ wanted, offered []string }{
		{[]string{"orders/find"}, []string{"find"}},
		{[]string{"orders/find", "mail/send", "orders/refund"}, []string{"find", "refund", "send"}},
		{[]string{"orders/find", "orders"}, []string{"find", "refund"}},
		{[]string{"orders", "orders/find"}, []string{"find", "refund"}},
		{[]string{"orders/delete", "mail/other"}, []string{}}, // the set's rules hold for all
	} {
		offered, err := r.Offer(t.Context(), c.wanted)
		require.NoError(t, err)
		require.Equal(t, c.offered, names(offered), "%v", c.wanted)
	}
	_, err = r.Offer(t.Context(), []string{"mail", "males"})
	require.Equal(t, conversation.Invalid, conversation.KindOf(err))
	require.ErrorContains(t, err, `use one of "mail", "orders", "other"`)
}

func TestOfferNothingAllowed(t *testing.T) {
	t.Parallel()
	r := registry(t, map[string]tools.Set{"orders": fake("find")}, tools.Rules{Allow: []string{}})
	offered, err := r.Offer(t.Context(), []string{"orders"})
	require.NoError(t, err)
	require.Empty(t, offered)
}

func TestOfferedNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 80)
	for _, tt := range []struct {
		name string
		a, b []string // what the sets named a and b list
		want []string
	}{
		{"AsTheyAre", []string{"find_order", "Find-2"}, nil, []string{"Find-2", "find_order"}},
		{"UnfitCharacters", []string{"orders.find", "größe", "a b"}, nil, []string{"a_b", "gr__e", "orders_find"}},
		{"InCommon", []string{"find", "only_a"}, []string{"find", "only_b"}, []string{"a_find", "only_a", "b_find", "only_b"}},
		{"InCommonOnceFit", []string{"x.y"}, []string{"x/y"}, []string{"a_x_y", "b_x_y"}},
		{"Twice", []string{"find", "find"}, nil, []string{"find"}},
		{"Empty", []string{"", "find"}, nil, []string{"find"}},
		{"TheSameInOneSet", []string{"x.y", "x/y"}, nil, []string{"a_x_y_7ace4eaa", "a_x_y_f723596c"}},
		{"NamedLikeAPrefixedOne", []string{"find"}, []string{"find", "a_find"}, []string{"a_find_8a3565e3", "b_a_find_632d9ebd", "b_find"}},
		{"TooLong", []string{long}, nil, []string{long[:55] + "_d929cdee"}},
		{"TooLongInCommon", []string{long}, []string{long}, []string{"a_" + long[:53] + "_28a0f06a", "b_" + long[:53] + "_6e6d91af"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, backwards := range []bool{false, true} {
				a, b := slices.Clone(tt.a), slices.Clone(tt.b)
				if backwards {
					slices.Reverse(a)
					slices.Reverse(b)
				}
				r := registry(t, map[string]tools.Set{"a": fake(a...), "b": fake(b...)}, tools.Rules{})
				offered, err := r.Offer(t.Context(), []string{"a", "b"})
				require.NoError(t, err)
				got := names(offered)
				require.Equal(t, tt.want, got)
				for i, name := range got {
					require.Regexp(t, regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`), name)
					require.NotContains(t, got[:i], name)
				}
			}
		})
	}
}

func TestOfferBoundsWhatServersSay(t *testing.T) {
	t.Parallel()
	f := fake("find", "huge")
	f.Tools[0].Description = strings.Repeat("ä", 10_000) + "\xff"
	f.Tools[1].Schema = json.RawMessage(`{"type":"object","description":"` + strings.Repeat("x", 40_000) + `"}`)
	for i := range 200 {
		f.Tools = append(f.Tools, toolstest.Tool(fmt.Sprintf("many%03d", i)))
	}
	r := registry(t, map[string]tools.Set{"orders": f}, tools.Rules{})
	offered, err := r.Offer(t.Context(), []string{"orders"})
	require.NoError(t, err)
	require.Len(t, offered, 128)
	require.NotContains(t, names(offered), "huge")
	d := offered[0].Tool.Description
	require.LessOrEqual(t, len(d), 4096)
	require.True(t, utf8.ValidString(d) && strings.HasSuffix(d, "ä…"))
	listed := r.List(t.Context())
	require.Contains(t, listed[0].Reason, `"huge" is left out: its schema has 40`)
	require.Contains(t, listed[0].Reason, "only the first 128 of its 201 tools are offered")
}

func TestOfferRemembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := fake("find")
		r := tools.NewRegistry()
		defer func() { _ = r.Close() }()
		require.NoError(t, r.Add("orders", f, tools.Rules{}))
		offer := func() []string {
			offered, err := r.Offer(t.Context(), []string{"orders"})
			require.NoError(t, err)
			return names(offered)
		}
		offer()
		time.Sleep(59 * time.Second)
		offer()
		require.Equal(t, 1, f.Listed())
		time.Sleep(time.Second)
		offer()
		require.Equal(t, 2, f.Listed(), "a minute is over")
		f.Change(toolstest.Tool("search"))
		require.Equal(t, []string{"search"}, offer(), "the set said that its tools changed")
		require.Equal(t, 3, f.Listed())
	})
}

func TestOfferAsksOnceForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := fake("find")
		f.OnList = func(ctx context.Context) error {
			select {
			case <-time.After(5 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		r := tools.NewRegistry()
		defer func() { _ = r.Close() }()
		require.NoError(t, r.Add("orders", f, tools.Rules{}))
		first, giveUp := context.WithTimeout(t.Context(), time.Second)
		defer giveUp()
		errs := make(chan error, 10)
		go func() {
			_, err := r.Offer(first, []string{"orders"})
			errs <- err
		}()
		synctest.Wait()
		for range 9 {
			go func() {
				_, err := r.Offer(t.Context(), []string{"orders"})
				errs <- err
			}()
		}
		require.ErrorIs(t, <-errs, context.DeadlineExceeded, "the first caller does not wait beyond its own deadline")
		for range 9 {
			require.NoError(t, <-errs)
		}
		require.Equal(t, 1, f.Listed())
	})
}

// A server that hangs holds a turn up for ten seconds once, and not at all while
// its tools are known from before.
func TestOfferWhenAServerHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, hang := fake("find"), false
		f.OnList = func(ctx context.Context) error {
			if hang {
				<-ctx.Done()
			}
			return ctx.Err()
		}
		quick := fake("send")
		r := tools.NewRegistry()
		defer func() { _ = r.Close() }()
		require.NoError(t, r.Add("orders", f, tools.Rules{}))
		require.NoError(t, r.Add("mail", quick, tools.Rules{}))
		sets := []string{"orders", "mail"}
		took := func() (time.Duration, error) {
			begun := time.Now()
			_, err := r.Offer(t.Context(), sets)
			synctest.Wait()
			return time.Since(begun), err
		}
		hang = true
		d, err := took()
		require.Equal(t, 10*time.Second, d)
		require.Equal(t, conversation.Unavailable, conversation.KindOf(err))
		require.EqualError(t, err, `tools: list "orders": the tools were not listed within 10s`)

		hang = false
		_, err = took()
		require.NoError(t, err)

		hang = true
		time.Sleep(time.Minute)
		d, err = took()
		require.NoError(t, err, "the tools are known from before")
		require.Equal(t, 10*time.Second, d)
		d, err = took()
		require.NoError(t, err)
		require.Zero(t, d, "it has just been tried")

		time.Sleep(10 * time.Minute)
		_, err = took()
		require.ErrorContains(t, err, "not listed within 10s", "that was long ago")

		looking := make(chan []tools.Listing, 1)
		begun := time.Now()
		go func() { looking <- r.List(t.Context()) }()
		synctest.Wait()
		d, err = took()
		require.ErrorContains(t, err, "not listed within 10s", "a turn does not wait as long as an operator")
		require.Equal(t, 10*time.Second, d)
		looked := <-looking
		require.Equal(t, "the tools were not listed within 40s", looked[0].Reason)
		require.True(t, looked[1].Available)
		require.Equal(t, 40*time.Second, time.Since(begun))
	})
}

func TestOfferFails(t *testing.T) {
	t.Parallel()
	down := &conversation.Error{Kind: conversation.Unavailable, Op: "mcp: list tools", Err: errors.New("connection refused"), RetryAfter: time.Second}
	barred := &conversation.Error{Kind: conversation.Unauthorized, Op: "mcp: list tools", Err: errors.New("401"), Remedy: "check headers"}
	r := tools.NewRegistry()
	defer func() { _ = r.Close() }()
	require.NoError(t, r.Add("down", &toolstest.Fake{Unavailable: down}, tools.Rules{}))
	require.NoError(t, r.Add("barred", &toolstest.Fake{Unavailable: barred}, tools.Rules{}))
	require.NoError(t, r.Add("mad", &toolstest.Fake{OnList: func(context.Context) error { panic("argh") }}, tools.Rules{}))

	for _, tt := range []struct {
		name string
		sets []string
		kind conversation.Kind
		text string
	}{
		{"Unavailable", []string{"down"}, conversation.Unavailable, `tools: list "down": mcp: list tools: connection refused`},
		{"WhatWaitingDoesNotMend", []string{"down", "barred"}, conversation.Unauthorized, `tools: list "barred": mcp: list tools: 401 (check headers)`},
		{"Panics", []string{"mad"}, conversation.Unavailable, `tools: list "mad": listing the tools panicked: argh`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := r.Offer(t.Context(), tt.sets)
			require.EqualError(t, err, tt.text)
			require.Equal(t, tt.kind, conversation.KindOf(err))
		})
	}
	_, err := r.Offer(t.Context(), []string{"down"})
	var ce *conversation.Error
	require.ErrorAs(t, err, &ce)
	require.Equal(t, time.Second, ce.RetryAfter)

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.Offer(gone, []string{"down"})
	require.ErrorIs(t, err, context.Canceled)
}

func TestList(t *testing.T) {
	t.Parallel()
	r := tools.NewRegistry()
	defer func() { _ = r.Close() }()
	require.NoError(t, r.Add("orders", fake("find", "delete"), tools.Rules{Allow: []string{"find", "fnd"}, Ask: []string{"fnd"}}))
	require.NoError(t, r.Add("down", &toolstest.Fake{Unavailable: errors.New("connection refused")}, tools.Rules{}))
	require.NoError(t, r.Add("mail", fake("send"), tools.Rules{Ask: []string{"*"}}))
	require.NoError(t, r.Add("none", fake(), tools.Rules{}))
	require.Equal(t, []tools.Listing{
		{Name: "orders", Available: true, Tools: []string{"find"}, Reason: `allow names "fnd", which it does not have; ask names "fnd", which it does not have`,
			Faults: []string{`allow names "fnd", which it does not have`, `ask names "fnd", which it does not have`}},
		{Name: "down", Reason: "connection refused", Err: errors.New("connection refused")},
		{Name: "mail", Available: true, Tools: []string{"send"}, Ask: []string{"send"}},
		{Name: "none", Available: true, Reason: "it has no tools"},
	}, r.List(t.Context()))
}

func TestBound(t *testing.T) {
	t.Parallel()
	require.Equal(t, tools.Result{Content: "short"}, tools.Bound(tools.Result{Content: "short"}, 5))
	require.Equal(t, tools.Result{Content: "a\uFFFDb", IsError: true}, tools.Bound(tools.Result{Content: "a\xffb", IsError: true}, 100))
	long := tools.Result{Content: strings.Repeat("ä", 10_000), IsError: true}
	for limit := range 200 {
		got := tools.Bound(long, limit)
		require.True(t, got.IsError)
		require.LessOrEqual(t, len(got.Content), limit)
		require.True(t, utf8.ValidString(got.Content))
		if limit >= 100 {
			require.True(t, strings.HasSuffix(got.Content, "ä\n[cut: this is the beginning of 20000 bytes]"))
		}
	}
}

// What takes more room as JSON than as text is cut earlier: results are recorded
// as JSON.
func TestBoundAsJSON(t *testing.T) {
	t.Parallel()
	const limit = 1000
	for name, text := range map[string]string{
		"HTML": "<&>", "control": "\x00\x01\x1f\x7f", "short escapes": "\"\\\n\r\t\b\f", "lines": "\u2028\u2029", "plain": "aä€😀",
	} {
		for _, repeat := range []int{10, 100, 10_000} {
			content := strings.Repeat(text, repeat)
			got := tools.Bound(tools.Result{Content: content}, limit).Content
			require.LessOrEqual(t, len(got), limit, name)
			recorded, err := json.Marshal(got)
			require.NoError(t, err)
			require.LessOrEqual(t, len(recorded), 2*limit+len(`""`), name)
			whole, err := json.Marshal(content)
			require.NoError(t, err)
			fits := len(content) <= limit && len(whole) <= 2*limit+len(`""`)
			require.Equal(t, fits, got == content, "%s: it is cut only if it has to be", name)
		}
	}
}
