// Package iiinode has the published Node SDKs of iii, old and new and unmodified,
// meet our practice engine and, through it, our client. That shows of both that
// they speak the protocol others speak. What Parley serves and calls on an engine
// meets the same SDKs in internal/endtoend.
//
//	go test -tags conformance ./conformance/iii_node
//
// It needs Go and Node 18 or newer with npm, nothing else. The SDKs come from the
// package registry that npm is set to, into the user's cache, once.
package iiinode
