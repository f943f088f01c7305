// Package iiiengine is the platform of an iii engine, a [platforms.Transport]: the user of
// a conversation is a function on the engine, the persona, which the conversation's ref
// names as its Simulation. Events of conversations are published on a topic.
//
// The engine stores no conversations, so there is nothing to claim, reconcile or end
// there: only Temporal has them. A [Platform] has one connection to the engine, over which
// package internal/iiiserve serves its functions, too.
package iiiengine
