package pubsubapi

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that ours falls back on
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
)

// Field numbers of the messages that are written without the generated code.
const (
	fetchEvents    = 1
	fetchLatest    = 2
	fetchRPCID     = 3
	fetchPending   = 4
	fetchCommit    = 5
	consumerEvent  = 1
	consumerReplay = 2
	producerID     = 1
	producerSchema = 2
	producerBody   = 3
	producerHeader = 4
	headerKey      = 1
	headerValue    = 2
)

// frame is a FetchResponse or ManagedFetchResponse (they share their first four
// fields) that encodes straight from the bus's events: a stream of a backlog
// would otherwise spend most of its time allocating messages.
type frame struct {
	events  []*bus.Event
	latest  []byte
	rpcID   string
	pending int
	commit  []byte // an encoded CommitReplayResponse
}

// codec is the protobuf codec, with a short cut for frames.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// Marshal encodes v.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*frame)
	if !ok {
		data, err := c.CodecV2.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("encode message: %w", err)
		}
		return data, nil
	}
	pool := mem.DefaultBufferPool()
	buffer := pool.Get(f.size())
	*buffer = f.appendTo((*buffer)[:0])
	return mem.BufferSlice{mem.NewBuffer(buffer, pool)}, nil
}

// bytesSize is the encoded size of a field of n bytes. All field numbers here
// take one byte of tag.
func bytesSize(n int) int { return 1 + protowire.SizeBytes(n) }

// textSize is bytesSize for fields that are left out when empty.
func textSize(n int) int {
	if n == 0 {
		return 0
	}
	return bytesSize(n)
}

func (f *frame) size() int {
	n := textSize(len(f.latest)) + textSize(len(f.rpcID)) + textSize(len(f.commit))
	if f.pending > 0 {
		n += 1 + protowire.SizeVarint(uint64(f.pending))
	}
	for _, e := range f.events {
		n += bytesSize(consumerSize(e))
	}
	return n
}

func consumerSize(e *bus.Event) int { return bytesSize(producerSize(e)) + bytesSize(replaySize) }

func producerSize(e *bus.Event) int {
	n := textSize(len(e.ID)) + textSize(len(e.SchemaID)) + textSize(len(e.Payload))
	for i := range e.Headers {
		n += bytesSize(headerSize(&e.Headers[i]))
	}
	return n
}

func headerSize(h *bus.Header) int { return textSize(len(h.Key)) + textSize(len(h.Value)) }

func (f *frame) appendTo(b []byte) []byte {
	for _, e := range f.events {
		b = appendLength(b, fetchEvents, consumerSize(e))
		b = appendConsumer(b, e)
	}
	b = appendBytes(b, fetchLatest, f.latest)
	b = appendText(b, fetchRPCID, f.rpcID)
	if f.pending > 0 {
		b = protowire.AppendTag(b, fetchPending, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(f.pending))
	}
	return appendBytes(b, fetchCommit, f.commit)
}

func appendConsumer(b []byte, e *bus.Event) []byte {
	b = appendLength(b, consumerEvent, producerSize(e))
	b = appendText(b, producerID, e.ID)
	b = appendText(b, producerSchema, e.SchemaID)
	b = appendBytes(b, producerBody, e.Payload)
	for i := range e.Headers {
		h := &e.Headers[i]
		b = appendLength(b, producerHeader, headerSize(h))
		b = appendText(b, headerKey, h.Key)
		b = appendBytes(b, headerValue, h.Value)
	}
	b = appendLength(b, consumerReplay, replaySize)
	return e.Position.AppendReplayID(b)
}

func appendLength(b []byte, number protowire.Number, n int) []byte {
	b = protowire.AppendTag(b, number, protowire.BytesType)
	return protowire.AppendVarint(b, uint64(n))
}

func appendText(b []byte, number protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return append(appendLength(b, number, len(s)), s...)
}

func appendBytes(b []byte, number protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return append(appendLength(b, number, len(v)), v...)
}

// replaySize is the length of a replay id on the wire.
const replaySize = bus.ReplayIDSize
