package activities

// PollBackoff is for tests that have no minutes to spend.
var PollBackoff = pollBackoff
