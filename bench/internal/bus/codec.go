package bus

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// raw is a message that is encoded already.
type raw struct{ mem.Buffer }

// codec is gRPC's own, except that it passes raw messages on as they are.
type codec struct{ encoding.CodecV2 }

// Codec returns the codec to serve with (grpc.ForceServerCodecV2).
func Codec() encoding.CodecV2 {
	return codec{encoding.GetCodecV2(proto.Name)}
}

// Marshal returns the bytes of v.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if r, ok := v.(raw); ok {
		return mem.BufferSlice{r.Buffer}, nil
	}
	b, err := c.CodecV2.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	return b, nil
}
