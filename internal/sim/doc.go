// Package sim is a practice partner for agents: a platform in one process that
// speaks OneRun's wire protocol and plays the personas itself, from a script or
// with a model. It needs no database, no account and no model key.
//
//	s, err := sim.New(sim.Config{APIKey: "practice", Seed: 1})
//	defer s.Close()
//	seeded, err := s.Seed(ctx, sim.Setup{Conversations: 20})
//	server := httptest.NewServer(s.Handler())
//	// point a worker at server.URL, seeded.ProjectID and seeded.AgentID
//	err = s.Wait(ctx)
//	report := s.Report()
//
// # What is the same as OneRun
//
// Paths, methods, query parameters, defaults and JSON shapes; the order and
// kinds of errors; time stamps without a zone; the way messages are counted
// against max_turns; the last words that come together with "ended": true; that an
// answer is committed even when its caller has gone away; that messages that arrive
// at once are mixed up; and that one responses call too many stops everything for
// half a minute. [Lenient] switches such things off, one by one.
//
// # What is better
//
// The key is enforced everywhere, evaluations have ids of their own, and no web
// page may call it unless [Config.Origins] says so. Conversations are made at once
// instead of ten a minute ([Config.Pass] changes that), and judged the moment they
// end, by simple rules that say so.
//
// # What is the same with the same seed
//
// What the personas say to the same agent, and which calls fail: both are drawn
// from the seed and the place of the conversation in its simulation, not from
// the order in which calls arrive. Ids are always new, because a worker with a
// memory would otherwise take a second run for the first.
//
// # What it sees
//
// [Simulator.Report] counts what every worker did to every conversation and
// gives a [Hint] for each call that a careful worker would not have made: a
// message sent twice, an end after the end, two calls at once.
package sim
