package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"github.com/jackc/pgx/v5"
)

// copyFrom is from how many events on they are copied in: fewer are not worth
// the round trips.
const copyFrom = 64

// copyIn stores the events by COPY, which costs the server half of what inserting
// them does. Their numbers are given in this transaction, as everywhere.
func (r *eventRows) copyIn(ctx context.Context, s *Store, conn *pgx.Conn) error {
	var accepted time.Time
	if err := conn.QueryRow(ctx, "SELECT coalesce($3::timestamptz, now()), array_agg(nextval($1::text::regclass)) FROM generate_series(1, $2::integer)",
		s.prefix+"event_seq", len(r.routes), s.now()).Scan(&accepted, &r.seqs); err != nil {
		return err
	}
	at := stamp(accepted)
	events, payloads, queue := newCopy(11), newCopy(2), newCopy(10)
	for i, seq := range r.seqs {
		events.row().int8(seq).int4(r.routes[i]).int2(r.lanes[i]).int4(r.kinds[i]).int8(at)
		if when := r.times[i]; when == nil {
			events.null()
		} else {
			events.int8(stamp(*when))
		}
		events.bool(r.refilled[i]).text(r.id[i]).text(r.subject[i]).text(r.okey[i]).text(r.traces[i])
		payloads.row().int8(seq).bytes(r.data[i])
		queue.row().int4(r.routes[i]).int2(r.lanes[i]).int8(seq).int8(minusInfinity).int8(0).text("").int4(0).int4(0).bool(false).int8(at)
	}
	for _, c := range []struct {
		to   string
		rows *copying
	}{
		{"@events (seq, route, lane, kind, accepted, time, refilled, id, subject, okey, trace)", events},
		{"@payloads (seq, data)", payloads},
		{"@queue (route, lane, seq, due, claim, owner, attempts, redelivered, unanswered, accepted)", queue},
	} {
		c.rows.end()
		if _, err := conn.PgConn().CopyFrom(ctx, &c.rows.buf, s.q("COPY "+c.to+" FROM STDIN BINARY")); err != nil {
			return err
		}
	}
	return nil
}

// minusInfinity is the time before all others in the binary format.
const minusInfinity = -1 << 63

// epoch is where PostgreSQL counts microseconds from.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func stamp(t time.Time) int64 { return t.UnixMicro() - epoch }

// copying is rows in the binary format of COPY.
// Source: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
type copying struct {
	buf    bytes.Buffer
	fields uint16
}

func newCopy(fields uint16) *copying {
	c := &copying{fields: fields}
	c.buf.WriteString("PGCOPY\n\xff\r\n\x00")
	c.buf.Write(make([]byte, 8)) // no flags, no extension
	return c
}

func (c *copying) put(b []byte) { c.buf.Write(b) }

func (c *copying) row() *copying {
	c.put(binary.BigEndian.AppendUint16(c.buf.AvailableBuffer(), c.fields))
	return c
}

func (c *copying) end() { c.put(binary.BigEndian.AppendUint16(c.buf.AvailableBuffer(), 0xffff)) }

func (c *copying) size(n int) []byte {
	return binary.BigEndian.AppendUint32(c.buf.AvailableBuffer(), uint32(int32(n)))
}

func (c *copying) null() { c.put(c.size(-1)) }

func (c *copying) int8(v int64) *copying {
	c.put(binary.BigEndian.AppendUint64(c.size(8), uint64(v)))
	return c
}

func (c *copying) int4(v int32) *copying {
	c.put(binary.BigEndian.AppendUint32(c.size(4), uint32(v)))
	return c
}

func (c *copying) int2(v int16) *copying {
	c.put(binary.BigEndian.AppendUint16(c.size(2), uint16(v)))
	return c
}

func (c *copying) bool(v bool) *copying {
	b := byte(0)
	if v {
		b = 1
	}
	c.put(append(c.size(1), b))
	return c
}

func (c *copying) text(v string) *copying {
	c.put(c.size(len(v)))
	c.buf.WriteString(v)
	return c
}

func (c *copying) bytes(v []byte) *copying {
	c.put(c.size(len(v)))
	c.put(v)
	return c
}
