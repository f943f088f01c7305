package workflows

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/hostile"
)

// What others say cannot format the page: no code span, link, heading, block or HTML
// comes of it, and it stays on its line.
func TestPlain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"good day":               "good day",
		"a `b` c":                "a &#96;b&#96; c",
		"**bold** and _slanted_": "&#42;&#42;bold&#42;&#42; and &#95;slanted&#95;",
		"[here](http://x.test)":  "&#91;here&#93;&#40;http&#58;&#47;&#47;x&#46;test)",
		"# big\n\n> quoted":      "&#35; big &#62; quoted",
		"<img src=x> & <b>":      "&#60;img src&#61;x&#62; &#38; &#60;b&#62;",
		`a \ b | c ~~d~~`:        "a &#92; b &#124; c &#126;&#126;d&#126;&#126;",
	} {
		require.Equal(t, want, plain(text, 100))
	}
	require.Equal(t, "a…", plain("abc", 2))
}

// The details of a parked conversation say each thing once.
func TestDetailsOfAttention(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := &run{state: StateNeedsAttention, attention: &Attention{
		Since: since, Step: "turn 2 · reply", Kind: conversation.Unauthorized, Reason: "the key `k` is wrong", Remedy: "set another",
	}}
	details := r.details()
	require.Contains(t, details, "**needs attention** since 2026-03-01 12:00:00 UTC at turn 2 · reply: the key &#96;k&#96; is wrong\n\n> set another\n\nResume, take over or end the conversation\n\n")
	require.Equal(t, 1, strings.Count(details, "set another"))

	r.attention.Remedy, r.attention.Kind, r.attention.NextCheck = "", conversation.Ambiguous, since.Add(time.Minute)
	details = r.details()
	require.NotContains(t, details, ">")
	require.Contains(t, details, "next at 12:01:00 UTC")

	r.attention.Kind, r.attention.NextCheck = conversation.RateLimited, since.Add(8*time.Hour)
	details = r.details()
	require.NotContains(t, details, "transcript")
	require.Contains(t, details, "It continues by itself at 2026-03-01 20:00:00 UTC")
}

// Nothing that a persona, a model, a tool or a platform says is live in the details.
func TestDetailsOfHostileTexts(t *testing.T) {
	t.Parallel()
	var (
		about     conversation.Context
		attention Attention
		outcome   conversation.Outcome
		approval  Approval
		message   conversation.Message
	)
	for _, v := range []any{&about, &attention, &outcome, &approval, &message} {
		hostile.Fill(v)
	}
	message.Role = conversation.RoleUser
	name := hostile.Text("name")
	r := &run{about: about, state: StateTalking, agent: agent{executor: name, model: name}, steps: steps{now: name}}
	r.transcript.replace(conversation.Record{Messages: []conversation.Message{message}})
	hostile.Markdown(t, r.details())
	r.attention = &attention
	hostile.Markdown(t, r.details())
	r.attention, r.outcome = nil, &conversation.Outcome{Kind: conversation.OutcomeFailed, Detail: outcome.Detail}
	hostile.Markdown(t, r.details())
	var b strings.Builder
	writeApproval(&b, approval)
	hostile.Markdown(t, b.String())
}
