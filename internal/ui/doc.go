// Package ui is Parley's web page: all conversations, what needs a person, one conversation
// with its turns, and comparisons. It is a view of package records, and acts through package
// operate.
//
// Every page is rendered on the server as a frame with regions, each a list of parts with
// keys. A browser that has the page open receives the parts that changed, so that nothing is
// reloaded. The same frames without a server make a bundle of files.
//
// A [Server] is for one operator on one machine. It asks for the token in the address that it
// gives out, refuses other origins, and forbids pages to load anything from elsewhere.
package ui
