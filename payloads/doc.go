// Package payloads encrypts what Temporal keeps: inputs, results, signals, queries,
// updates, memos, heartbeats, the texts of errors and what the web interface shows of a
// workflow. Temporal's database then has no word of a conversation in it.
//
//	ring, err := payloads.Open(ctx, payloads.Config{
//		Key:  "2026",
//		Keys: map[string]payloads.Source{"2026": {File: "/run/secrets/parley-2026"}},
//	})
//	…
//	options := client.Options{}
//	ring.Secure(&options)
//
// Every program that reads or writes payloads needs the same keys: workers, the starter,
// and [go.temporal.io/sdk/converter.NewPayloadCodecHTTPHandler] or `starter codec-server`
// for the web interface. Parley's own take them from the section encryption of
// parley.yaml.
//
// # What is written
//
// A payload is compressed with zstd where that makes it smaller, and encrypted with
// X-AES-256-GCM of Tink: AES-256-GCM under a key of its own for each payload, derived
// from the key of the ring, so that one key serves any number of payloads. Readable
// beside it are the key's name and the id of the workflow that the payload belongs to.
// Both are authenticated.
//
// # What a payload is bound to
//
// A payload that is written for a workflow is read for that workflow only: write access to
// Temporal's database does not suffice to move it to another. The runs of a schedule
// read what was written for the schedule. Failures are bound to no workflow,
// because they travel from one to another as they are; nor is what is encoded without
// being told the workflow. A payload can be moved within its workflow.
//
// # Missing keys
//
// A worker that lacks a key fails the workflow task, and Temporal tries it again: the
// conversation waits, and goes on once the key is back. Signals are kept, updates and
// queries are answered with the error. An activity that cannot read its input, or the
// heartbeat of the attempt before it, fails with the error. Failures about keys are not
// encrypted: they name the key and the workflow. [Ring.Missing] says which keys a program
// was asked for in vain, and [MustRead] is for workflows that read details of failures.
//
// Payloads that are not encrypted are read as they are: conversations that began without
// keys go on.
package payloads
