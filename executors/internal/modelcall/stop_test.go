package modelcall_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

func TestEnded(t *testing.T) {
	t.Parallel()
	for want, words := range map[executors.FinishReason]string{
		"":                            ", null,NULL, Null,not_finished,FINISH_REASON_UNSPECIFIED",
		executors.FinishStop:          "stop,STOP,Stop,end_turn,eos,eos_token,</s> eos,stop_sequence,COMPLETE,STOP_SEQUENCE,eosFound,stopStringFound,completed,normal,endoftext,done,FINISH",
		executors.FinishLength:        "length,LENGTH,MAX_TOKENS,max_tokens,MaxTokens,max_output_tokens,model_length,ERROR_LIMIT,pause_turn,model_context_window_exceeded,maxPredictedTokensReached,contextLengthReached,length_capped,limit",
		executors.FinishToolCall:      "tool_calls,tool_use,TOOL_CALL,function_call,toolCalls,tool-calls,toolUse",
		executors.FinishContentFilter: "content_filter,sensitive,SAFETY,RECITATION,BLOCKLIST,PROHIBITED_CONTENT,SPII,LANGUAGE,IMAGE_SAFETY,IMAGE_PROHIBITED_CONTENT,ERROR_TOXIC,refusal,guardrail_intervened,content-filter,CONTENT_FILTERED,input_sensitive,policy_violation,contentFilter",
		executors.FinishError:         "error,abort,ABORT,network_error,insufficient_system_resource,MALFORMED_FUNCTION_CALL,UNEXPECTED_TOOL_CALL,OTHER,TOO_MANY_TOOL_CALLS,USER_CANCEL,timeout,upstream_error,engine_overloaded,request_aborted,whatever,42,?",
	} {
		for _, word := range strings.Split(words, ",") {
			require.Equal(t, want, modelcall.Ended(word), "%q", word)
		}
	}
}

// A word that is no end does not take back one that was.
func TestEndStands(t *testing.T) {
	t.Parallel()
	var a modelcall.Answer
	a.End("stop")
	a.End("null")
	require.Equal(t, executors.FinishStop, a.Finish)
}
