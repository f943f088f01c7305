package redact_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/redact"
)

func rules(t *testing.T, names ...string) []redact.Rule {
	t.Helper()
	var out []redact.Rule
	for _, name := range names {
		rule, err := redact.Builtin(name)
		require.NoError(t, err)
		out = append(out, rule)
	}
	return out
}

func TestText(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ rule, text, want string }{
		"Email":            {"email", "write to Ann.O'Neil+x@mail.example.co.uk.", "write to [email]."},
		"EmailInternation": {"email", "jürgen@müller.de", "[email]"},
		"NoEmail":          {"email", "a @ b, @handle and x@y", "a @ b, @handle and x@y"},
		"Card":             {"card", "pay with 4111 1111 1111 1111, please", "pay with [card], please"},
		"CardPlain":        {"card", "4111111111111111", "[card]"},
		"CardAmex":         {"card", "3782-822463-10005", "[card]"},
		"CardAfterNumber":  {"card", "order 12 4111 1111 1111 1111", "order 12 [card]"},
		"CardBeforeNumber": {"card", "4111-1111-1111-1111 12", "[card] 12"},
		"TwoCards":         {"card", "4111111111111111 5500005555555559", "[card] [card]"},
		"WrongCheckDigit":  {"card", "4111 1111 1111 1112", "4111 1111 1111 1112"},
		"TooLong":          {"card", "41111111111111110000000", "41111111111111110000000"},
		"Phone":            {"phone", "call +49 30 901820 or +1 (650) 253-0000.", "call [phone] or [phone]."},
		"PhoneNotValid":    {"phone", "+999 12345678", "+999 12345678"},
		"PhoneNational":    {"phone", "call 030 901820", "call 030 901820"},
		"PhoneOfACountry":  {"phone:DE", "call 030 901820 or (030) 901821", "call [phone] or [phone]"},
		"PhoneOfTheUS":     {"phone:us", "(650) 253-0000", "[phone]"},
		"Date":             {"phone", "on 2026-01-15 at 12:30", "on 2026-01-15 at 12:30"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, redact.New(rules(t, tt.rule)).Text(tt.text))
		})
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	own, err := redact.Patterns("# ours\n\norder = ORD-\\d+\r\n")
	require.NoError(t, err)
	r := redact.New(append(own, rules(t, "email", "card")...))
	in := json.RawMessage(`{"to":"ann@example.com","card":4111111111111111,"n":1.50,"ann@example.com":[true,null,"ORD-7 <b>"]}`)
	require.JSONEq(t, `{"to":"[email]","card":"[card]","n":1.50,"[email]":[true,null,"[order] <b>"]}`, string(r.JSON(in)))
	require.Equal(t, "order 1, email 2, card 1", r.Counts())
	require.Equal(t, "say [email", string(r.JSON(json.RawMessage(`say ann@example.com`)))[:10])
	require.Equal(t, "direct//[email]-4111111111111111", r.ID("direct//ann@example.com-4111111111111111"))
}

func TestNothing(t *testing.T) {
	t.Parallel()
	var r *redact.Redactor
	require.Equal(t, r, redact.New(nil))
	require.Equal(t, "ann@example.com", r.Text("ann@example.com"))
	require.Equal(t, `{"a":1}`, string(r.JSON(json.RawMessage(`{"a":1}`))))
	require.Empty(t, r.Counts())
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"x=(":      "line 1: rule x: error parsing regexp",
		"x=a*":     "matches the empty text",
		"\nno":     "line 2: write NAME=PATTERN",
		"a b=c":    "letters, digits, - and _ only",
		"<b>=evil": "letters, digits, - and _ only",
	} {
		_, err := redact.Patterns(text)
		require.ErrorContains(t, err, want)
	}
	_, err := redact.Builtin("phone:XX")
	require.ErrorContains(t, err, `unknown country "XX"`)
	_, err = redact.Builtin("names")
	require.ErrorContains(t, err, `unknown rule "names": use email, card, phone`)
}
