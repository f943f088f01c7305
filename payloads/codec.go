package payloads

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"
	common "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// The metadata of an encrypted payload. Histories have it: it never changes.
const (
	// Encoding is its encoding.
	Encoding = "binary/parley-encrypted"
	// MetadataKey has the key's name.
	MetadataKey = "encryption-key-id"
	// MetadataWorkflow has the id of the workflow that it belongs to, if that is known.
	MetadataWorkflow = "encryption-workflow-id"
)

// The first byte inside says how the rest, a payload in protobuf, is written.
const (
	plain      = 0
	compressed = 1
)

const (
	// minCompressed is about the size below which zstd gains nothing.
	minCompressed = 128
	// maxShownID bounds ids of workflows in errors. Temporal takes a thousand bytes.
	maxShownID = 1000
	// maxDecompressed is far above what Temporal takes.
	maxDecompressed = 64 << 20
)

// decrypting begins the errors of Decode.
const decrypting = "payloads: decrypt: "

// A Codec encrypts payloads and decrypts its own; others it leaves as they are. It is a
// [converter.PayloadCodec] which the SDK tells the workflow of each payload.
//
// A worker is better served by [Ring.Secure]: with the codec alone, a workflow whose
// payloads cannot be read may fail.
type Codec struct {
	ring     *Ring
	workflow string // empty: not known
}

var (
	_ converter.PayloadCodec                         = Codec{}
	_ converter.PayloadCodecWithSerializationContext = Codec{}
)

// NewCodec returns a codec for payloads of any workflow.
func NewCodec(ring *Ring) Codec { return Codec{ring: ring} }

// WithSerializationContext implements [converter.PayloadCodecWithSerializationContext].
func (c Codec) WithSerializationContext(sc converter.SerializationContext) converter.PayloadCodec {
	return c.of(sc)
}

func (c Codec) of(sc converter.SerializationContext) Codec {
	switch sc := sc.(type) {
	case converter.WorkflowSerializationContext:
		c.workflow = sc.WorkflowID
	case converter.ActivitySerializationContext:
		c.workflow = sc.WorkflowID
	default:
		c.workflow = ""
	}
	return c
}

// Encode implements [converter.PayloadCodec].
func (c Codec) Encode(payloads []*common.Payload) ([]*common.Payload, error) {
	out := make([]*common.Payload, len(payloads))
	for i, p := range payloads {
		sealed, err := c.seal(p)
		if err != nil {
			return nil, fmt.Errorf("payloads: encrypt: %w", err)
		}
		out[i] = sealed
	}
	return out, nil
}

// Decode implements [converter.PayloadCodec]. Its errors wrap [KeyError] or [SealError].
func (c Codec) Decode(payloads []*common.Payload) ([]*common.Payload, error) {
	out := make([]*common.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.GetMetadata()[converter.MetadataEncoding]) != Encoding {
			out[i] = p
			continue
		}
		opened, err := c.open(p)
		if err != nil {
			return nil, fmt.Errorf(decrypting+"%w", err)
		}
		out[i] = opened
	}
	return out, nil
}

func (c Codec) seal(p *common.Payload) (*common.Payload, error) {
	inner, err := proto.Marshal(p)
	if err != nil {
		return nil, err
	}
	name, aead := c.ring.encrypting()
	sealed, err := aead.Encrypt(pack(inner), associated(name, c.workflow))
	if err != nil {
		return nil, err
	}
	metadata := map[string][]byte{converter.MetadataEncoding: []byte(Encoding), MetadataKey: []byte(name)}
	if c.workflow != "" {
		metadata[MetadataWorkflow] = []byte(c.workflow)
	}
	return &common.Payload{Metadata: metadata, Data: sealed}, nil
}

func (c Codec) open(p *common.Payload) (*common.Payload, error) {
	name, workflow := string(p.GetMetadata()[MetadataKey]), string(p.GetMetadata()[MetadataWorkflow])
	if !validName.MatchString(name) {
		return nil, &SealError{} // what stands there is anybody's text
	}
	aead, ok := c.ring.decrypting(name)
	if !ok {
		// The id is not authenticated.
		return nil, &KeyError{Key: name, Workflow: workflow[:min(len(workflow), maxShownID)]}
	}
	packed, err := aead.Decrypt(p.GetData(), associated(name, workflow))
	if err != nil {
		return nil, &SealError{Key: name, Workflow: workflow}
	}
	if workflow != "" && c.workflow != "" && !belongs(workflow, c.workflow) {
		return nil, &SealError{Key: name, Workflow: workflow, Read: c.workflow}
	}
	inner, err := unpack(packed)
	if err != nil {
		return nil, err
	}
	opened := &common.Payload{}
	return opened, proto.Unmarshal(inner, opened)
}

// belongs reports whether a payload of one workflow may be read for another: they are the
// same, or the other is a run of the schedule that the payload was written for, to whose
// id Temporal adds the time.
func belongs(payload, reader string) bool {
	if payload == reader {
		return true
	}
	if len(reader) <= len(payload)+1 || reader[:len(payload)+1] != payload+"-" {
		return false
	}
	_, err := time.Parse(time.RFC3339, reader[len(payload)+1:])
	return err == nil
}

// associated is what is authenticated beside the payload. Every part has its length, so
// that no two of them are alike.
func associated(name, workflow string) []byte {
	data := []byte(Encoding)
	for _, part := range []string{name, workflow} {
		data = binary.BigEndian.AppendUint32(data, uint32(len(part)))
		data = append(data, part...)
	}
	return data
}

func pack(inner []byte) []byte {
	if len(inner) >= minCompressed {
		if smaller := encoder.EncodeAll(inner, []byte{compressed}); len(smaller) < len(inner) {
			return smaller
		}
	}
	return append([]byte{plain}, inner...)
}

func unpack(packed []byte) ([]byte, error) {
	if len(packed) == 0 {
		return nil, fmt.Errorf("the payload is empty inside")
	}
	switch packed[0] {
	case plain:
		return packed[1:], nil
	case compressed:
		return decoder.DecodeAll(packed[1:], nil)
	}
	return nil, fmt.Errorf("the payload is of format %d: a newer version of Parley wrote it", packed[0])
}

// Both are for whole payloads only, which any number of goroutines may give them.
var (
	encoder, _ = zstd.NewWriter(nil, zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	decoder, _ = zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxDecompressed), zstd.WithDecoderConcurrency(0))
)
