package avro

import (
	"fmt"
	"slices"
	"time"
)

// Header is a ChangeEventHeader, fields in wire order.
type Header struct {
	EntityName      string
	RecordIDs       []string
	ChangeType      string
	ChangeOrigin    string
	TransactionKey  string
	SequenceNumber  int32
	CommitTimestamp time.Time
	CommitNumber    int64
	CommitUser      string
	// The last three are bitmaps: see [Schema.Bitmap].
	NulledFields, DiffFields, ChangedFields []string
}

// changeTypes are the symbols of the changeType enum, in wire order.
var changeTypes = []string{
	"CREATE", "UPDATE", "DELETE", "UNDELETE",
	"GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW", "SNAPSHOT",
}

func (b *builder) addHeader() {
	strings := jsonArray{Type: "array", Items: "string"}
	record := jsonRecord{Type: "record", Name: "ChangeEventHeader", Fields: []jsonField{
		{Name: "entityName", Type: "string"},
		{Name: "recordIds", Type: strings},
		{Name: "changeType", Type: jsonEnum{Type: "enum", Name: "ChangeType", Symbols: changeTypes}},
		{Name: "changeOrigin", Type: "string"},
		{Name: "transactionKey", Type: "string"},
		{Name: "sequenceNumber", Type: "int"},
		{Name: "commitTimestamp", Type: "long"},
		{Name: "commitNumber", Type: "long"},
		{Name: "commitUser", Type: "string"},
		{Name: "nulledFields", Type: strings},
		{Name: "diffFields", Type: strings},
		{Name: "changedFields", Type: strings},
	}}
	b.append(field{name: "ChangeEventHeader", kind: kindHeader, required: true},
		jsonField{Name: "ChangeEventHeader", Type: record, Doc: "Data:ComplexValueType"})
}

func (h *Header) appendTo(dst []byte) ([]byte, error) {
	symbol := slices.Index(changeTypes, h.ChangeType)
	if symbol < 0 {
		return nil, fmt.Errorf("unknown change type %q", h.ChangeType)
	}
	dst = appendString(dst, h.EntityName)
	dst = appendStrings(dst, h.RecordIDs)
	dst = appendLong(dst, int64(symbol))
	dst = appendString(dst, h.ChangeOrigin)
	dst = appendString(dst, h.TransactionKey)
	dst = appendLong(dst, int64(h.SequenceNumber))
	dst = appendLong(dst, h.CommitTimestamp.UnixMilli())
	dst = appendLong(dst, h.CommitNumber)
	dst = appendString(dst, h.CommitUser)
	dst = appendStrings(dst, h.NulledFields)
	dst = appendStrings(dst, h.DiffFields)
	return appendStrings(dst, h.ChangedFields), nil
}
