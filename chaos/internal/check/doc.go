// Package check says whether a chaos run kept Parley's promises. It imports the standard
// library only, none of Parley's code: what it knows is what the others have written
// down, the platform, the model, the tool server, the senders, the operators, and
// Temporal's histories. A fault that the product and its checker share would be invisible.
//
// [Read] reads the accounts of a folder, [Check] finds the violations, and
// [Report.Print] prints them, each with the story of its conversation.
package check
