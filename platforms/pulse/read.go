package pulse

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/joined"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/internal/rest"
)

// readTask reads a task field by field. What a run needs has to be there in the right
// type; every client may have written anything into the rest.
func readTask(row rest.Row) (Task, *platforms.RowError) {
	fields, fault := fieldsOf(row)
	if fault != nil {
		return Task{}, fault
	}
	t := Task{Payload: fields["payload"], Metadata: fields["metadata"], Cut: row.Cut}
	err := errors.Join(
		readField(fields, "id", "a string", &t.ID),
		readField(fields, "schedule_type", "a string", &t.Type),
		readField(fields, "status", "a string", &t.Status),
		readField(fields, "next_execution", "a number of seconds", &t.NextExecution),
	)
	if err == nil && t.ID == "" {
		err = errors.New("it has no id")
	}
	if err != nil {
		return Task{}, rowFault(row.ID, err)
	}
	_ = json.Unmarshal(fields["created_at"], &t.Created)
	_ = json.Unmarshal(fields["schedule_config"], &t.ScheduleConfig)
	return t, nil
}

// readDueTask is the same for a poll.
func readDueTask(row rest.Row) (DueTask, *platforms.RowError) {
	fields, fault := fieldsOf(row)
	if fault != nil {
		return DueTask{}, fault
	}
	t := DueTask{Payload: fields["payload"], Metadata: fields["metadata"]}
	err := errors.Join(
		readField(fields, "task_id", "a string", &t.ID),
		readField(fields, "schedule_type", "a string", &t.Type),
		readField(fields, "scheduled_for", "a time in ISO 8601", &t.ScheduledFor),
	)
	if err == nil && t.ID == "" {
		err = errors.New("it has no id")
	}
	if err != nil {
		return DueTask{}, rowFault(row.ID, err)
	}
	return t, nil
}

func fieldsOf(row rest.Row) (map[string]json.RawMessage, *platforms.RowError) {
	if row.Err != nil {
		return nil, rowFault(row.ID, row.Err)
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(row.Data, &fields) != nil || fields == nil {
		return nil, rowFault(row.ID, errors.New("it is not an object"))
	}
	return fields, nil
}

func readField(fields map[string]json.RawMessage, name, right string, into any) error {
	raw := fields[name]
	if len(raw) == 0 || json.Unmarshal(raw, into) == nil {
		return nil
	}
	return fmt.Errorf("its %s is %s, which is not %s", name, rest.Clip(string(raw)), right)
}

// rowFault is one task that cannot be run. It holds up no other.
func rowFault(id string, err error) *platforms.RowError {
	return &platforms.RowError{ID: rest.Clip(id), Err: fmt.Errorf("%s (correct the task on Pulse, or delete it there)", joined.Line(err))}
}

// tooLarge says which fields of a task are too long for it to run. Empty: none is.
func (t Task) tooLarge() string {
	if len(t.Cut) == 0 {
		return ""
	}
	return fmt.Sprintf("its %s is longer than %d MiB; a task may have %d KiB in all",
		rest.Clip(strings.Join(t.Cut, ", ")), maxField>>20, conversation.MaxTask>>10)
}
