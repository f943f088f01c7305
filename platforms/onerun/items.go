package onerun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms/internal/rest"
)

// maxTranscript bounds a transcript, in bytes as OneRun sends it.
const maxTranscript = 64 << 20

// maxItems bounds its items: far above ten thousand turns, which have two each.
const maxItems = 200_000

// Items reads the whole transcript, oldest first. Where one item cannot be read there
// is none: what has been said is counted by the items. It is an error of kind
// Unavailable that says why.
func (c *Client) Items(ctx context.Context, at Location) ([]Item, error) {
	var all []Item
	err := c.items(ctx, at, func(row rest.Row) error {
		var item Item
		if err := item.read(row); err != nil {
			return err
		}
		all = append(all, item)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// newest is the time of the newest item, or zero.
func (c *Client) newest(ctx context.Context, at Location) (time.Time, error) {
	var newest time.Time
	err := c.items(ctx, at, func(row rest.Row) error {
		var item struct {
			CreatedAt Timestamp `json:"created_at"`
		}
		if row.Err == nil && tolerant(row.Data, &item) == nil {
			newest = latest(newest, item.CreatedAt.Time)
		}
		return nil
	})
	return newest, err
}

// items hands out the rows of a transcript.
func (c *Client) items(ctx context.Context, at Location, item func(rest.Row) error) error {
	r := c.on(at, "read the items of", http.MethodPost, "items") // a read, although the method is POST
	var other struct {
		HasMore bool `json:"has_more"`
	}
	var unread error
	_, err := c.api.Rows(ctx, r, rest.List{Field: "data", MaxBytes: maxTranscript, MaxRows: maxItems, Other: &other}, func(row rest.Row) error {
		if err := item(row); err != nil {
			unread = fmt.Errorf("item %d of the transcript cannot be read: %w", row.Index, err)
		}
		return unread
	})
	switch {
	case unread != nil:
		err = c.api.Fail(r, &conversation.Error{Kind: conversation.Unavailable, Err: unread})
	case err == nil && other.HasMore:
		err = c.api.Fail(r, &conversation.Error{Kind: conversation.Unavailable, Err: errors.New("the answer has only a part of the transcript")})
	}
	return err
}

// read decodes an item. What has been said, and by whom, must be there; the rest may
// be of any kind.
func (i *Item) read(row rest.Row) error {
	if row.Err != nil {
		return row.Err
	}
	var may struct {
		ID             string    `json:"id"`
		ConversationID string    `json:"conversation_id"`
		Type           string    `json:"type"`
		CreatedAt      Timestamp `json:"created_at"`
		UpdatedAt      Timestamp `json:"updated_at"`
	}
	if err := tolerant(row.Data, &may); err != nil {
		return err
	}
	var must struct {
		Role    string            `json:"role"`
		Content []json.RawMessage `json:"content"`
	}
	if err := rest.Unmarshal(row.Data, &must); err != nil {
		return err
	}
	switch {
	case must.Role == "":
		return errors.New("it has no role")
	case must.Content == nil:
		return errors.New("it has no content")
	}
	*i = Item{
		ID: may.ID, ConversationID: may.ConversationID, Type: may.Type, Role: must.Role,
		CreatedAt: may.CreatedAt, UpdatedAt: may.UpdatedAt,
	}
	for _, data := range must.Content {
		var block ContentBlock
		if err := rest.Unmarshal(data, &block); err != nil {
			return fmt.Errorf("its content: %w", err)
		}
		i.Content = append(i.Content, block)
	}
	return nil
}
