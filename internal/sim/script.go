package sim

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parley-run/parley/conversation"
)

// ScriptPlayer plays personas by their rules. It has no state: each reply follows from
// the persona, the seed and the conversation so far, so that a restart changes nothing.
type ScriptPlayer struct{}

var _ Player = ScriptPlayer{}

// Reply implements [Player].
func (ScriptPlayer) Reply(_ context.Context, turn PersonaTurn) (string, bool, error) {
	heard, rest := heard(turn.Messages)
	m := replay(turn.Persona, append(heard, rest), turn.Seed)
	return m.line, m.left != stays, nil
}

// heard splits a conversation into the agent's messages before each of the persona's,
// and those since the last.
func heard(messages []conversation.Message) (before []string, since string) {
	var texts []string
	for _, m := range messages {
		if m.Role == conversation.RoleAssistant {
			texts = append(texts, m.Text())
			continue
		}
		before = append(before, strings.Join(texts, "\n\n"))
		texts = nil
	}
	return before, strings.Join(texts, "\n\n")
}

// leaving says whether a persona leaves, and in which mood.
type leaving int

const (
	stays leaving = iota
	content
	gaveUp
	byRule
)

// A mind is the state of a persona.
type mind struct {
	mood int
	turn int
	line string  // its latest message
	left leaving // whether it leaves with that message
	used map[string]bool
	done map[int]bool // rules that have applied, by index
	last string       // the agent's last message, normalised
}

// replay applies the whole conversation again. It continues past the point where the
// script would have left, because a model may have stayed.
func replay(p Persona, heard []string, seed uint64) mind {
	m := mind{used: map[string]bool{}, done: map[int]bool{}}
	for _, text := range heard {
		m.hear(p, text, seed)
	}
	return m
}

func (m *mind) hear(p Persona, text string, seed uint64) {
	m.turn++
	m.left = stays
	said := normalise(text)
	say, end := m.react(p, text, said)
	if said != "" {
		m.last = said
	}
	switch {
	case end:
		m.left = byRule
	case m.mood >= p.contentAt():
		say, m.left = p.Content.Say, content
	case m.turn > 1 && (m.mood <= p.giveUpAt() || m.turn >= p.giveUpAfter()):
		say, m.left = p.GiveUp.Say, gaveUp
	}
	m.line = m.pick(say, seed)
}

// react changes the mood and returns the possible answers.
func (m *mind) react(p Persona, text, said string) (say []string, end bool) {
	noticed := false
	for i, r := range p.Rules {
		if (m.turn == 1 && r.When.Turn != 1) || m.done[i] || !r.When.holds(text, said, m.turn, m.mood) {
			continue
		}
		m.mood += r.Mood
		m.done[i] = r.Once
		noticed = true
		if r.End || len(r.Say) > 0 {
			return r.Say, r.End
		}
	}
	var other Reaction
	switch {
	case m.turn == 1:
		return p.Openings, false
	case said == "" && len(p.Silence.Say) > 0:
		other = p.Silence
	case said != "" && said == m.last && len(p.Repeat.Say) > 0:
		other = p.Repeat
	default:
		other = p.Fallback
		if noticed {
			other.Mood = 0 // a rule may change the mood once
		}
	}
	m.mood += other.Mood
	if m.exhausted(other.Say) && !m.exhausted(p.Fallback.Say) {
		return p.Fallback.Say, false // a repetition would sound mechanical
	}
	return other.Say, false
}

func (m *mind) exhausted(say []string) bool {
	return !slices.ContainsFunc(say, func(l string) bool { return !m.used[l] })
}

// pick prefers lines that the persona has not used.
func (m *mind) pick(say []string, seed uint64) string {
	fresh := slices.DeleteFunc(slices.Clone(say), func(l string) bool { return m.used[l] })
	if len(fresh) == 0 {
		fresh = slices.DeleteFunc(slices.Clone(say), func(l string) bool { return len(say) > 1 && strings.TrimSpace(l) == m.line })
	}
	if len(fresh) == 0 {
		return ""
	}
	line := fresh[newRand("line", seed, m.turn).IntN(len(fresh))]
	m.used[line] = true
	return strings.TrimSpace(line)
}

func (p Persona) contentAt() int   { return cmp.Or(p.Content.At, 3) }
func (p Persona) giveUpAt() int    { return cmp.Or(p.GiveUp.At, -3) }
func (p Persona) giveUpAfter() int { return cmp.Or(p.GiveUp.After, 8) }

func (w When) holds(text, said string, turn, mood int) bool {
	has := func(phrase string) bool { return containsPhrase(said, normalise(phrase)) }
	switch {
	case len(w.ContainsAny) > 0 && !slices.ContainsFunc(w.ContainsAny, has),
		slices.ContainsFunc(w.ContainsAll, func(p string) bool { return !has(p) }),
		slices.ContainsFunc(w.NotContains, has),
		w.Turn > 0 && turn != w.Turn,
		turn < w.FromTurn,
		w.Asks != nil && *w.Asks != strings.ContainsAny(text, "?？"),
		w.WordsOver > 0 && len(strings.Fields(text)) <= w.WordsOver,
		w.MoodAtLeast != nil && mood < *w.MoodAtLeast,
		w.MoodAtMost != nil && mood > *w.MoodAtMost:
		return false
	}
	if w.Matches == "" {
		return true
	}
	re, err := compilePattern(w.Matches)
	return err == nil && re.MatchString(text)
}

var quotes = strings.NewReplacer("’", "'", "‘", "'", "“", `"`, "”", `"`)

// normalise makes messages comparable: one case, plain quotes, single spaces.
func normalise(text string) string {
	return strings.Join(strings.Fields(quotes.Replace(strings.ToLower(text))), " ")
}

// containsPhrase looks for phrase where a word begins.
func containsPhrase(text, phrase string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], phrase)
		if i < 0 || phrase == "" {
			return false
		}
		before, _ := utf8.DecodeLastRuneInString(text[:from+i])
		if from+i == 0 || !unicode.IsLetter(before) && !unicode.IsDigit(before) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[from+i:])
		from += i + size
	}
}

func compilePattern(pattern string) (*regexp.Regexp, error) { return patterns.get("(?i)" + pattern) }
