package payloads

import (
	"errors"
	"strings"
	"time"

	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/durationpb"
)

// retryMissing is how long an activity whose payloads cannot be read waits before its next
// attempt: its attempts are counted, and an operator has to bring the key.
const retryMissing = 30 * time.Second

// A failureConverter writes failures about keys so that they can be read without a key:
// they name keys and workflows only, and the worker that wrote one lacked a key, as its
// readers may. All other failures are encrypted.
type failureConverter struct{ converter.FailureConverter }

var _ converter.FailureConverterWithSerializationContext = failureConverter{}

func (c failureConverter) WithSerializationContext(sc converter.SerializationContext) converter.FailureConverter {
	return failureConverter{converter.WithFailureConverterSerializationContext(c.FailureConverter, sc)}
}

func (c failureConverter) ErrorToFailure(err error) *failurepb.Failure {
	kind, text := aboutKeys(err)
	if kind == "" {
		return c.FailureConverter.ErrorToFailure(err)
	}
	return &failurepb.Failure{
		Message: text, Source: "GoSDK",
		FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{
			Type: kind, NextRetryDelay: durationpb.New(retryMissing),
		}},
	}
}

// aboutKeys is what an error says about keys: of its chain, or of a panic that the SDK has
// recovered from. Kind is empty if it is about something else. Nothing else of the error's
// text is kept: it may be a person's.
func aboutKeys(err error) (kind, text string) {
	if err == nil {
		return "", ""
	}
	var missing *KeyError
	var sealed *SealError
	switch {
	case errors.As(err, &missing):
		return ErrTypeMissingKey, missing.Error()
	case errors.As(err, &sealed):
		return ErrTypeUnreadable, sealed.Error()
	}
	return recovered(err.Error())
}

const waitingEnd = " (the conversation waits and goes on when its payloads can be read)"

// MustRead panics if a payload could not be read because of its key or its seal. In a
// workflow, the workflow task then fails and Temporal tries it again, where code that went
// on would take what it cannot read for absent.
func MustRead(err error) {
	if kind, text := aboutKeys(err); kind != "" {
		panic(decrypting + text + waitingEnd) // the SDK makes a text of it
	}
}

// recovered reads the text of such a panic.
func recovered(text string) (kind, short string) {
	short, begins := strings.CutPrefix(text, decrypting)
	short, ends := strings.CutSuffix(short, waitingEnd)
	switch {
	case !begins || !ends:
		return "", ""
	case MissingKey(short) != "":
		return ErrTypeMissingKey, short
	}
	return ErrTypeUnreadable, short
}
