// Package iiiengine is an iii engine as a platform: the other side of a conversation is
// a function on the engine, the persona, and what happens to conversations is
// published on a topic. The conversation's ref names the function as its
// Simulation.
//
// The engine keeps no conversations, so there is nothing to claim, to read back or
// to end there: Temporal has it all. A [Platform] holds one connection to the
// engine, which package internal/iiiserve serves functions over.
package iiiengine
