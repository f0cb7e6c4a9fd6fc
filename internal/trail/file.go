package trail

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
)

// maxLine bounds a line of an export.
const maxLine = 1 << 20

// ErrNoExport is wrapped when a file is not an export at all.
var ErrNoExport = errors.New("the file is not an audit export of this version")

// VerifyFile checks an export: the digest and signature of the whole, the chain as far
// as its entries follow each other, and the seals. Overdue and unsealed entries are not
// in an export. Memory does not grow with the file.
func VerifyFile(ctx context.Context, r io.Reader, o Options, progress Progress) (Report, error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 64<<10), maxLine)
	f := &fileChecker{sum: sha256.New()}
	for in.Scan() {
		if err := ctx.Err(); err != nil {
			return Report{}, err
		}
		if err := f.line(in.Bytes(), o); err != nil {
			return Report{}, err
		}
		if progress != nil {
			progress(f.lines)
		}
	}
	if err := in.Err(); err != nil {
		return Report{}, fmt.Errorf("read export: %w", err)
	}
	if f.checker == nil {
		return Report{}, ErrNoExport
	}
	if f.trailer == nil {
		f.find(Finding{What: "the export has no trailer: it was cut off"})
	}
	f.end()
	return f.report, nil
}

type fileChecker struct {
	*checker
	sum     hash.Hash
	lines   int64
	trailer *lineTrailer
}

func (f *fileChecker) line(text []byte, o Options) error {
	f.lines++
	var l line
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(&l)
	if err == nil && d.InputOffset() != int64(len(text)) {
		err = errors.New("more than one value")
	}
	if f.checker == nil {
		return f.header(l, err, text, o)
	}
	if f.trailer != nil {
		f.find(Finding{What: fmt.Sprintf("line %d stands behind the trailer", f.lines)})
		return nil
	}
	if err == nil && l.Trailer != nil {
		f.trailer = l.Trailer
		f.close(l.Trailer)
		return nil
	}
	f.hash(text)
	if err == nil {
		err = f.take(&l)
	}
	if err != nil {
		f.find(Finding{What: fmt.Sprintf("line %d is not readable", f.lines)})
	}
	return nil
}

func (f *fileChecker) hash(text []byte) {
	f.sum.Write(text)
	f.sum.Write([]byte{'\n'})
}

func (f *fileChecker) header(l line, err error, text []byte, o Options) error {
	if err != nil || l.Header == nil || l.Header.Form != exportForm || l.Header.Version != exportVersion {
		return ErrNoExport
	}
	f.hash(text)
	f.checker, err = newChecker(o, l.Header.Whole)
	return err
}

func (f *fileChecker) take(l *line) error {
	switch {
	case l.Entry != nil:
		e, err := l.Entry.entry()
		if err == nil {
			f.entry(&e)
		}
		return err
	case l.Seal != nil:
		s, err := l.Seal.seal()
		if err == nil {
			f.seal(s)
		}
		return err
	case l.Anchor != nil && !f.began && f.last.Number == 0:
		s, err := l.Anchor.seal()
		if err == nil {
			f.start(s)
		}
		return err
	}
	return errors.New("the line is of no kind that belongs here")
}

// close checks the trailer.
func (f *fileChecker) close(t *lineTrailer) {
	if sum := hex.EncodeToString(f.sum.Sum(nil)); sum != t.SHA256 || t.Lines != f.lines-1 || t.Entries != f.report.Entries {
		f.find(Finding{What: "the export is not what its trailer was made of: it was changed"})
	}
	signed := t.Key != "" || len(t.Signature) > 0
	switch {
	case len(f.opts.Keys) == 0:
	case !signed:
		f.find(Finding{What: "the export is not signed"})
	default:
		if why := f.opts.Keys.fault(t.Key, t.signed(), t.Signature); why != "" {
			f.find(Finding{What: "the export " + why})
		}
	}
}
