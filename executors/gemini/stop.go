package gemini

import (
	"encoding/json"
	"strings"

	"google.golang.org/genai"

	"github.com/parley-run/parley/executors/internal/lenient"
)

// numbers are the finish reasons that some servers send by their number. Higher ones
// differ between the two APIs.
var numbers = map[string]genai.FinishReason{
	"1": genai.FinishReasonStop, "2": genai.FinishReasonMaxTokens, "3": genai.FinishReasonSafety,
	"4": genai.FinishReasonRecitation, "5": genai.FinishReasonOther,
}

// stopWord returns a finish reason as the API writes it, or "" if the answer is not
// finished.
func stopWord(raw json.RawMessage) string {
	word := lenient.Text(raw)
	if word == "" {
		word = string(numbers[string(raw)])
	}
	word = word[strings.LastIndexByte(word, '.')+1:] // "FinishReason.STOP"
	if word == string(genai.FinishReasonUnspecified) {
		return ""
	}
	return word
}
