package records

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
)

// readAhead bounds the records that are read and not used yet: a transcript and a timeline
// of memory each.
const readAhead = 4 * Parallel

// Records reads the conversations that match a filter and calls use with each, the newest
// first, one call at a time. It reads at most limit of them; zero or less: all. A
// conversation that was removed since the search is left out, so that fewer can be used than
// Counts.Shown says; of one whose history cannot be read, Record.Unreadable says why. An
// error of use ends the reading, as does a server that does not answer.
func (r *Reader) Records(ctx context.Context, f Filter, limit int, use func(Record) error) (Counts, error) {
	query, err := r.ConversationQuery(ctx, f)
	if err != nil {
		return Counts{}, err
	}
	found, err := r.Search(ctx, query, limit)
	if err != nil {
		return Counts{}, err
	}
	counts, err := r.count(ctx, f, query)
	if err != nil {
		return Counts{}, err
	}
	newestFirst(found)
	counts.Shown = int64(len(found))
	counts.Total = max(counts.Total, counts.Shown)
	for part := range slices.Chunk(found, readAhead) {
		read, err := r.showAll(ctx, part)
		if err != nil {
			return counts, err
		}
		for _, record := range read {
			if record == nil {
				continue
			}
			if err := use(*record); err != nil {
				return counts, err
			}
		}
	}
	return counts, nil
}

// showAll reads conversations at the same time. One that does not exist any more is nil.
func (r *Reader) showAll(ctx context.Context, found []Conversation) ([]*Record, error) {
	read := make([]*Record, len(found))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(Parallel)
	for i, c := range found {
		group.Go(func() error {
			record, err := r.Show(ctx, c.ID)
			switch KindOf(err) {
			case NotFound:
				return nil
			case Failed: // such as a payload whose key is missing: the others are readable
				if ctx.Err() == nil {
					record, err = Record{Conversation: c, Unreadable: FirstLine(err)}, nil
				}
			}
			read[i] = &record
			return err
		})
	}
	return read, group.Wait()
}

func newestFirst(found []Conversation) {
	slices.SortStableFunc(found, func(a, b Conversation) int { return b.Started.Compare(a.Started) })
}
