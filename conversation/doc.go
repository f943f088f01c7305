// Package conversation holds the words this project is written in. It imports
// neither Temporal nor any platform: platforms translate their own vocabulary
// into it, so a OneRun "persona" speaks as [RoleUser] and the agent under test
// as [RoleAssistant].
//
// A conversation is named by a [Ref], consists of [Message] values, advances by
// turns (one reply of the agent and what came back for it) and finishes with an
// [Outcome]. What goes wrong on the way is an [Error] with a [Kind]: code acts
// on the kind, never on the text.
package conversation
