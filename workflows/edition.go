package workflows

// Edition is the newest of the editions of the workflows' rules. A conversation follows
// those of its ConversationInput.Edition, and an inbox those of its settings, so that a
// history that was recorded under older rules replays. A run that continues as new begins
// with the newest.
//
// Edition 1: what waits for long waits in growing intervals (see waits.go), and a run rolls
// over at a size of its own besides Temporal's suggestion (see sizes.go).
//
// Edition 2: the search attributes say who speaks and what it has cost, and only those that
// have changed are upserted, also during a long state (see attributes.go).
const Edition = 2
