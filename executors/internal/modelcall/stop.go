package modelcall

import (
	"slices"
	"strings"
	"unicode"

	"github.com/parley-run/parley/executors"
)

// Ended returns what a provider's word for the end of an answer means; one table serves
// all vendors, because gateways pass on the words of others. Upper and lower case, and
// the form of word breaks, do not matter.
//
//   - "" and "null" (also as text) are no end: the result is "".
//   - [executors.FinishStop], [executors.FinishLength] and [executors.FinishToolCall]: the
//     answer is usable.
//   - [executors.FinishContentFilter]: the model or a filter refused.
//   - [executors.FinishError]: the server broke off. What has arrived is not a reply.
//
// A word outside the table is judged by the words in it ("eos_found", "ERROR_TOXIC"). If
// they are unknown too, the result is FinishError: the text may be broken off, and half
// a sentence is worse than another attempt.
func Ended(word string) executors.FinishReason {
	key := snake(word)
	if key == "" && strings.TrimSpace(word) != "" {
		return executors.FinishError
	}
	if reason, ok := finishReasons[key]; ok {
		return reason
	}
	for _, kind := range fragments {
		for _, part := range kind.parts {
			if strings.Contains("_"+key+"_", part) {
				return kind.reason
			}
		}
	}
	return executors.FinishError
}

// finishReasons are the words of OpenAI, DeepSeek, Mistral, Moonshot, Zhipu, MiniMax, xAI, Qwen,
// Baidu, Cohere, AI21, Amazon, IBM, Anthropic and Gemini, and of vLLM, SGLang, llama.cpp,
// TGI, Ollama, LM Studio and OpenRouter.
var finishReasons = invert(map[executors.FinishReason][]string{
	"": {"", "null", "none", "nil", "undefined", "not_finished", "unfinished", "in_progress", "finish_reason_unspecified", "finish_reason_undefined"},
	executors.FinishStop: {
		"stop", "stopped", "end", "ended", "eos", "eos_token", "end_turn", "end_of_turn", "end_of_text", "endoftext", "stop_sequence", "stop_word", "word",
		"complete", "completed", "done", "finish", "finished", "final", "normal", "success", "succeeded", "ok", "eos_found", "stop_string_found",
		"stop_token", "reason_stop", "finish_reason_stop", "alternative_status_final", "stop_criteria",
	},
	executors.FinishLength: {
		"length", "max_tokens", "max_output_tokens", "max_new_tokens", "max_completion_tokens", "maximum_tokens", "max_length", "model_length", "token_limit",
		"limit", "model_context_window_exceeded", "context_window_exceeded", "context_length_exceeded", "context", "error_limit", "reason_max_len",
		"reason_max_context", "max_predicted_tokens_reached", "context_length_reached", "truncated", "alternative_status_truncated_final",
		// The server expects to be asked to go on.
		"pause_turn", "compaction", "incomplete",
	},
	executors.FinishToolCall: {
		"tool_calls", "tool_call", "tool_use", "function_call", "function_calls", "reason_tool_calls", "tool_calls_done", "alternative_status_tool_calls",
	},
	executors.FinishContentFilter: {
		"content_filter", "content_filtered", "content_filter_stop", "sensitive", "safety", "recitation", "blocklist", "blacklist", "prohibited_content",
		"spii", "language", "image_safety", "image_prohibited_content", "image_recitation", "model_armor", "refusal", "refused", "error_toxic",
		"guardrail_intervened", "guardrails", "moderation", "censored", "violation", "alternative_status_content_filter", "risk_control",
	},
	executors.FinishError: {
		"error", "abort", "aborted", "network_error", "insufficient_system_resource", "other", "malformed_function_call", "unexpected_tool_call",
		"too_many_tool_calls", "malformed_response", "malformed_model_output", "malformed_tool_use", "missing_thought_signature", "continuation",
		"no_image", "image_other", "user_cancel", "cancelled", "canceled", "timeout", "time_limit", "reason_time_limit", "reason_invalid", "load", "unload",
		"failed", "user_stopped", "model_unloaded", "repetition", "interrupted", "preempted", "server_shutdown", "unknown",
	},
})

// fragments judge words outside the table. The first that fits decides: an error that
// names its reason is a refusal or a limit.
var fragments = []struct {
	reason executors.FinishReason
	parts  []string
}{
	{executors.FinishContentFilter, []string{"toxic", "content_filter", "filtered", "safety", "sensitive", "moderat", "refus", "prohibit", "blocked", "polic", "guardrail", "violat", "recitation", "censor", "unsafe", "harm"}},
	{executors.FinishError, []string{"error", "abort", "fail", "cancel", "timeout", "timed_out", "time_limit", "interrupt", "malformed", "invalid", "overload", "unavailable", "disconnect", "insufficient", "crash", "kill", "evict", "preempt", "exception", "network", "resource"}},
	{executors.FinishLength, []string{"length", "max_", "_limit", "truncat", "context"}},
	{executors.FinishToolCall, []string{"tool", "function"}},
	{executors.FinishStop, []string{"eos", "_stop", "_end_", "complete", "finish", "_done_", "success"}},
}

func invert(in map[executors.FinishReason][]string) map[string]executors.FinishReason {
	out := map[string]executors.FinishReason{}
	for reason, words := range in {
		for _, w := range words {
			out[w] = reason
		}
	}
	return out
}

// maxWord bounds how much of a word is judged.
const maxWord = 128

// snake returns a word in lower case with underscores between its parts.
func snake(word string) string {
	if len(word) > maxWord {
		word = word[:maxWord]
	}
	var out []rune
	lower := false // the last letter is in lower case: an upper one begins a part
	for _, r := range strings.TrimSpace(word) {
		switch {
		case unicode.IsUpper(r):
			if lower {
				out = append(out, '_')
			}
			lower = false
			out = append(out, unicode.ToLower(r))
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			lower = true
			out = append(out, r)
		default:
			if len(out) > 0 && out[len(out)-1] != '_' {
				out = append(out, '_')
			}
			lower = false
		}
	}
	return strings.Trim(string(out), "_")
}

// Worse reports whether a word that is in the table means a worse end than the other: a
// gateway's "stop" may stand beside the filter's word of the server behind it.
func Worse(word, than string) bool {
	rank := []executors.FinishReason{executors.FinishLength, executors.FinishContentFilter, executors.FinishError}
	reason, known := finishReasons[snake(word)]
	return known && slices.Index(rank, reason) > slices.Index(rank, Ended(than))
}
