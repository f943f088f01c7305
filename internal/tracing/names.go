package tracing

import "go.opentelemetry.io/otel/attribute"

// Names of spans. Those with a subject have it after a space: "chat gpt-5".
const (
	SpanConversation = "conversation" // the root
	SpanTurn         = "invoke_agent" // and the agent's name
	SpanReply        = "chat"         // and the model, or else the executor
	SpanTool         = "execute_tool" // and the tool

	SpanClaim     = "claim"
	SpanFindClaim = "find_claim"
	SpanContext   = "context"
	SpanExchange  = "exchange"
	SpanEnd       = "end"
	SpanReport    = "report"
	SpanCallback  = "callback"
	SpanNotify    = "notify"

	SpanParked   = "parked"
	SpanPaused   = "paused"
	SpanApproval = "approval" // and the tool
	SpanCapacity = "wait_for_capacity"
	SpanRate     = "wait_for_rate_limit"

	SpanPoll  = "poll"
	SpanStart = "start"
)

// SpanNames are the names of all spans, without their subjects.
func SpanNames() []string {
	return []string{
		SpanConversation, SpanTurn, SpanReply, SpanTool,
		SpanClaim, SpanFindClaim, SpanContext, SpanExchange, SpanEnd, SpanReport, SpanCallback, SpanNotify,
		SpanParked, SpanPaused, SpanApproval, SpanCapacity, SpanRate,
		SpanPoll, SpanStart,
	}
}

// Attributes of OpenTelemetry's semantic conventions: gen_ai.* as in version 1.41, the
// last that has them in one document with the others, and error.type.
const (
	KeyOperation     = attribute.Key("gen_ai.operation.name")
	KeyProvider      = attribute.Key("gen_ai.provider.name")
	KeyRequestModel  = attribute.Key("gen_ai.request.model")
	KeyResponseModel = attribute.Key("gen_ai.response.model")
	KeyFinishReasons = attribute.Key("gen_ai.response.finish_reasons")
	KeyInputTokens   = attribute.Key("gen_ai.usage.input_tokens")
	KeyOutputTokens  = attribute.Key("gen_ai.usage.output_tokens")
	KeyCacheRead     = attribute.Key("gen_ai.usage.cache_read.input_tokens")
	KeyCacheCreation = attribute.Key("gen_ai.usage.cache_creation.input_tokens")
	KeyConversation  = attribute.Key("gen_ai.conversation.id")
	KeyAgentID       = attribute.Key("gen_ai.agent.id")
	KeyAgentName     = attribute.Key("gen_ai.agent.name")
	KeyToolName      = attribute.Key("gen_ai.tool.name")
	KeyToolCallID    = attribute.Key("gen_ai.tool.call.id")
	KeyErrorType     = attribute.Key("error.type")
)

// Attributes with texts of the conversation. They are set only if Options.Text is.
const (
	KeyInputMessages  = attribute.Key("gen_ai.input.messages")
	KeyOutputMessages = attribute.Key("gen_ai.output.messages")
	KeyToolArguments  = attribute.Key("gen_ai.tool.call.arguments")
	KeyToolResult     = attribute.Key("gen_ai.tool.call.result")
)

// Parley's own attributes.
const (
	KeyPlatform   = attribute.Key("parley.platform")
	KeyProject    = attribute.Key("parley.project")
	KeySimulation = attribute.Key("parley.simulation")
	KeyRun        = attribute.Key("parley.run")
	KeyTurn       = attribute.Key("parley.turn")
	KeyRound      = attribute.Key("parley.round")
	KeyAttempt    = attribute.Key("parley.attempt")
	KeyExecutor   = attribute.Key("parley.executor")
	KeyToolSet    = attribute.Key("parley.tool.set")
	KeyToolError  = attribute.Key("parley.tool.error")
	KeyOutcome    = attribute.Key("parley.outcome")
	KeyEndedBy    = attribute.Key("parley.ended_by")
	KeyTurns      = attribute.Key("parley.turns")
	KeyMessages   = attribute.Key("parley.messages")
	KeyCost       = attribute.Key("parley.cost_micros")
	KeyResult     = attribute.Key("parley.result")
	KeyJoined     = attribute.Key("parley.joined")
	KeyStep       = attribute.Key("parley.step")
	KeyKind       = attribute.Key("parley.kind")
	KeyDecision   = attribute.Key("parley.decision")
	KeyEvent      = attribute.Key("parley.event")
	KeyStarted    = attribute.Key("parley.started")
	KeyOmitted    = attribute.Key("parley.messages.omitted")
)

// Keys are all attributes that spans may have.
func Keys() []attribute.Key {
	return []attribute.Key{
		KeyOperation, KeyProvider, KeyRequestModel, KeyResponseModel, KeyFinishReasons,
		KeyInputTokens, KeyOutputTokens, KeyCacheRead, KeyCacheCreation,
		KeyConversation, KeyAgentID, KeyAgentName, KeyToolName, KeyToolCallID, KeyErrorType,
		KeyInputMessages, KeyOutputMessages, KeyToolArguments, KeyToolResult,
		KeyPlatform, KeyProject, KeySimulation, KeyRun, KeyTurn, KeyRound, KeyAttempt, KeyExecutor, KeyToolSet, KeyToolError,
		KeyOutcome, KeyEndedBy, KeyTurns, KeyMessages, KeyCost, KeyResult, KeyJoined, KeyStep, KeyKind, KeyDecision,
		KeyEvent, KeyStarted, KeyOmitted,
	}
}

// Values of KeyResult, for attempts that neither succeeded nor failed.
const (
	ResultHandedOver = "handed_over" // the worker stops; another one makes the attempt anew
	ResultCancelled  = "cancelled"   // the workflow does not need it any more
	ResultNotCurrent = "not_current" // Temporal has given the attempt up
	ResultQueued     = "queued"      // nothing was asked: its turn under a rate limit has not come
)

// Further values of KeyResult, for turns.
const (
	ResultInterrupted = "interrupted" // there is no reply
	ResultOperator    = "operator"    // an operator has answered instead of the executor
)

// OutcomeFailed is the value of KeyErrorType where a conversation has failed and the kind
// of the failure is not known.
const OutcomeFailed = "failed"
