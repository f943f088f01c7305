// Package activities does all input and output that the workflows ask for:
// calls to platforms and executors, and the search for new conversations.
//
// Activities run at least once. What must happen once is made so here: Exchange
// and Claim record that they are about to act before they act, and a later
// attempt reads the platform before it acts again. An attempt of a worker that shuts
// down completes with HandedOver instead of failing, so that a deploy uses up no attempt.
//
// Nothing here retries: errors carry a [conversation.Kind], and temporalError,
// the one place where our errors become Temporal's, decides which are retried.
package activities
