package main

import (
	"encoding/binary"
	"errors"
	"strings"
)

// idsOf takes the traits of a batch apart, as the comment at traitsFormat in
// the product describes them, and returns the ids and the length of all payloads.
func idsOf(data string) (ids []string, bytes int, err error) {
	if data == "" || data[0] != 1 {
		return nil, 0, errors.New("unknown format of traits")
	}
	r := strings.NewReader(data[1:])
	number := func() int {
		n, readErr := binary.ReadUvarint(r)
		err = errors.Join(err, readErr)
		return int(n)
	}
	text := func() string {
		b := make([]byte, min(number(), r.Len()))
		_, _ = r.Read(b)
		return string(b)
	}
	for r.Len() > 0 && err == nil {
		_, _ = r.ReadByte() // the lane
		flags, _ := r.ReadByte()
		const bare, gone, timeless, keyIsSubject, remembered, digest = 2, 4, 8, 16, 32, 64
		if flags&gone != 0 {
			ids = append(ids, "")
			continue
		}
		number() // the kind
		if flags&timeless == 0 {
			number()
		}
		ids = append(ids, text())
		text() // the subject
		if flags&keyIsSubject == 0 {
			text()
		}
		text() // the trace
		if flags&bare == 0 {
			bytes += number()
		}
		if flags&remembered != 0 {
			number()
		}
		if flags&digest != 0 {
			_, _ = r.Read(make([]byte, 16))
		}
	}
	return ids, bytes, err
}
