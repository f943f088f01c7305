package activities

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// continueText asks a model to go on with a reply that was cut off.
const continueText = "Your last message was cut off. Continue it exactly where it stops. Repeat nothing, and add no introduction."

// continuing are the messages after the conversation with which a reply that was cut off
// is continued. They are no part of the transcript.
func continuing(partial conversation.Message) []conversation.Message {
	return []conversation.Message{partial.Outgoing(), conversation.Text(conversation.RoleUser, continueText)}
}

// continued is the reply together with what the model had said before it was cut off. A
// model that has nothing to add has said all.
func continued(partial *conversation.Message, result executors.Result) executors.Result {
	if partial == nil {
		return result
	}
	result = withoutCalls(result)
	added := result.Message
	if added.Role != conversation.RoleAssistant && strings.TrimSpace(added.Text()) != "" {
		return result // it is no answer
	}
	joined := *partial
	joined.Parts, joined.Cleaned, joined.CutOff = slices.Clone(partial.Parts), partial.Cleaned+added.Cleaned, false
	joined.Time = added.Time
	seam := true
	for _, p := range added.Parts {
		last := len(joined.Parts) - 1
		switch {
		case p.Type == conversation.PartText && strings.TrimSpace(p.Text) == "":
		case seam && last >= 0 && p.Type == conversation.PartText && joined.Parts[last].Type == conversation.PartText:
			joined.Parts[last].Text, seam = joinTexts(joined.Parts[last].Text, p.Text), false
		default:
			joined.Parts, seam = append(joined.Parts, p), false
		}
	}
	result.Message = joined
	return result
}

// minRepeated is how many bytes a continuation must repeat of the text before it to count
// as a repetition, and maxRepeated is how many are looked at.
const (
	minRepeated = 12
	maxRepeated = 4 << 10
)

// joinTexts joins a text and its continuation. What the continuation repeats of the text's
// end is left out. Between two words there is a space, and none within a number: a model
// rarely begins with the space that belongs there, and most texts are cut off between
// words.
func joinTexts(text, more string) string {
	if len(text) >= minRepeated && strings.HasPrefix(more, text) {
		return more // it began anew
	}
	for n := min(len(text), len(more), maxRepeated); n >= minRepeated; n-- {
		if strings.HasSuffix(text, more[:n]) {
			return text + more[n:]
		}
	}
	before, _ := utf8.DecodeLastRuneInString(text)
	after, _ := utf8.DecodeRuneInString(more)
	words := (unicode.IsLetter(before) || strings.ContainsRune(".,;:!?", before)) && unicode.IsLetter(after) ||
		unicode.IsLetter(before) && unicode.IsDigit(after) || unicode.IsDigit(before) && unicode.IsLetter(after)
	if words && !unspaced(before) && !unspaced(after) {
		return text + " " + more
	}
	return text + more
}

// unspaced reports whether a letter's script has no spaces between words.
func unspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// markCutOff marks a reply whose model stopped at its limit of length, or refuses it, as the
// policy says. A message that calls tools is no reply.
func markCutOff(name string, in ReplyInput, result executors.Result) (executors.Result, error) {
	if result.FinishReason != executors.FinishLength || len(result.Message.ToolCalls()) > 0 {
		return result, nil
	}
	if in.OnLength == conversation.RefuseCutOff {
		return result, &conversation.Error{
			Kind: conversation.Refused, Op: fmt.Sprintf("executor %q", name),
			Err:    errors.New("the reply was cut off at the model's limit of length"),
			Remedy: "raise max_output_tokens, or set on_length to send or continue", Usage: result.Usage,
		}
	}
	result.Message.CutOff = true
	return result, nil
}

// CutOff reports whether the model stopped at its limit of tokens.
func (r ReplyResult) CutOff() bool { return r.FinishReason == executors.FinishLength }
